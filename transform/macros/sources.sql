{# The tap's streams; their tables have these names unless `northflank_identifiers` says otherwise. #}
{% macro streams() -%}
    {{ return((
        'projects', 'addons', 'addon_details', 'backup_schedules', 'backups', 'restores', 'list_reads'
    )) }}
{%- endmacro %}

{# Where the loader puts the table of a stream. A source is not asked, as a host's own source of the
   name `northflank` would answer; sources.yml says the same. #}
{% macro table_of(stream) -%}
    {{ return(api.Relation.create(
        database=var('northflank_database') or target.database,
        schema=var('northflank_schema')
            or env_var('TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA', 'northflank'),
        identifier=var('northflank_identifiers')[stream] or stream,
    )) }}
{%- endmacro %}

{# The table of a stream as the warehouse has it, or none: where it is not there, or not to be read. #}
{% macro found_table(stream) -%}
    {%- set said = var('northflank_streams')[stream] -%}
    {%- set wanted = said == true or stream == 'restores' -%}
    {%- if not execute or said == false -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set table = northflank_restores.table_of(stream) -%}
    {%- set found = adapter.get_relation(table.database, table.schema, table.identifier) -%}
    {%- if not found and wanted
        and not (stream == 'restores' and var('allow_missing_restores')) -%}
        {{ exceptions.raise_compiler_error(
            "There is no table " ~ table.schema ~ "." ~ table.identifier ~ " to read: set "
            ~ "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA or the variable northflank_schema to the "
            ~ "loader's schema, or sync first"
        ) }}
    {%- endif -%}
    {%- if found and stream == 'restores' -%}
        {%- set columns = northflank_restores.columns_of(found) -%}
        {%- for name in ('projectId', 'addonId', 'id', 'status')
            if northflank_restores.plain_name(name) not in columns -%}
            {{ exceptions.raise_compiler_error("The table " ~ table.schema ~ "." ~ table.identifier
                ~ " has no column " ~ name ~ ", without which no restore can be judged: select it "
                ~ "for the tap, and sync with --full-refresh") }}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{# The columns of a table, by their names without case and underscores: loaders write projectId,
   projectid or project_id. Of several of one kind the API's own spelling goes first.

   columns: the spellings that go first #}
{% macro columns_of(relation, columns=()) -%}
    {%- set found = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- set key = northflank_restores.plain_name(column.name) -%}
        {%- if key not in found or column.name in columns -%}
            {%- do found.update({key: (column.name, column.dtype | lower)}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro plain_name(name) -%}
    {{ return(name | lower | replace('_', '')) }}
{%- endmacro %}

{# When the part of a table was last read that was read least recently: of the project, or of the
   team, so one that is no longer read is seen too. #}
{% macro read_query(relation, part) -%}
    {%- set found = northflank_restores.columns_of(relation) -%}
    {%- set column = found.get('sdcbatchedat') -%}
    {%- if not column -%}
        {{ exceptions.raise_compiler_error("The table " ~ relation ~ " has no column "
            ~ "_sdc_batched_at, which tells when it was loaded: set add_record_metadata for the "
            ~ "loader") }}
    {%- endif -%}
    select min(read_at) from (
        select max({{ adapter.quote(column[0]) }}) as read_at from {{ relation }}
        {%- if northflank_restores.plain_name(part) in found %}
        group by {{ adapter.quote(found[northflank_restores.plain_name(part)][0]) }}
        {%- endif %}
    ) as parts
{%- endmacro %}
