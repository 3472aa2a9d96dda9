{# The rows of one of the tap's tables, with exactly the columns asked for.

   A table may be missing (backups are not selected by default; with the tap's setting `addons`
   nothing is listed), and so may a column (one deselected; the loader's `_sdc_…` without
   `add_record_metadata`): then there are no rows, or nulls. Names of columns may be in lower case,
   as some loaders write them.

   columns: the column's name at the source -> text, instant, json, integer or list
   required: whether a missing table is an error, unless the variable `allow_missing_restores` is
   set: without it, a misspelt schema would empty all answers #}
{% macro loaded(table, columns, required=false) -%}
    {%- set found = adapter.get_relation(table.database, table.schema, table.identifier)
        if execute else none -%}
    {%- if execute and required and not found and not var('allow_missing_restores') -%}
        {{ exceptions.raise_compiler_error(
            "There is no table " ~ table.schema ~ "." ~ table.identifier ~ " to read: set "
            ~ "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA to the loader's schema, or sync first"
        ) }}
    {%- endif -%}
    {%- set actual = {} -%}
    {%- if found -%}
        {%- for column in adapter.get_columns_in_relation(found) -%}
            {%- if column.name | lower not in actual or column.name in columns -%}
                {%- do actual.update(
                    {column.name | lower: (column.name, column.dtype | lower)}) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    select
    {%- for name, kind in columns.items() %}
        {{ northflank_restores._loaded_column(kind, actual.get(name | lower)) }} as {{ adapter.quote(name) }}
        {{- "," if not loop.last }}
    {%- endfor %}
    {%- if found %}
    from {{ found }}
    {%- else %}
    where 1 = 0
    {%- endif %}
{%- endmacro %}

{% macro _loaded_column(kind, column) -%}
    {%- set types = {
        'text': dbt.type_string(),
        'instant': northflank_restores.timestamp_utc(),
        'integer': dbt.type_bigint(),
        'json': 'json',
        'list': dbt.type_string(),
    } -%}
    {%- if column is none or column is not defined -%}
        cast(null as {{ types[kind] }})
    {%- else -%}
        {%- set name, type = column -%}
        {%- if kind == 'instant' and type in ('timestamp without time zone', 'timestamp') -%}
            {# target-postgres, run in UTC, drops the zone #}
            {{ northflank_restores.from_utc(adapter.quote(name)) }}
        {%- elif kind == 'json' -%}
            {{ adapter.quote(name) }}
        {%- elif kind == 'list' and (type == 'array' or type.endswith('[]')) -%}
            {# A line each. #}
            array_to_string({{ adapter.quote(name) }}, chr(10))
        {%- elif kind == 'list' -%}
            replace(replace(replace(replace(
                cast({{ adapter.quote(name) }} as {{ types[kind] }}),
                '["', ''), '"]', ''), '", "', chr(10)), '","', chr(10))
        {%- else -%}
            cast({{ adapter.quote(name) }} as {{ types[kind] }})
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
