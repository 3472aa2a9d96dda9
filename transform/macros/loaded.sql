{# The rows of the table of one of the tap's streams, with exactly the columns asked for.

   A table may be missing (backups are not selected by default; with the tap's setting `addons`
   nothing is listed), and so may a column (one deselected; the loader's `_sdc_…` without
   `add_record_metadata`): then there are no rows, or nulls. A missing table of restores is an error,
   unless the variable `allow_missing_restores` is set: without it, a misspelt schema would empty all
   answers. The variable `northflank_streams` says the same of another stream, or lets it be unread.

   columns: the column's name at the source -> text, instant, json, integer or list #}
{% macro loaded(stream, columns) -%}
    {%- if var('northflank_streams')[stream] != false %}
    -- depends_on: {{ source('northflank', stream) }}
    {%- endif %}
    {%- set found = northflank_restores.found_table(stream) -%}
    {%- set actual = northflank_restores.columns_of(found, columns) if found else {} %}
    select
    {%- for name, kind in columns.items() %}
        {{ northflank_restores._loaded_column(kind, actual.get(northflank_restores.plain_name(name))) }} as {{ adapter.quote(name) }}
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
        'text': northflank_restores.text_type(),
        'instant': northflank_restores.timestamp_utc(),
        'integer': dbt.type_bigint(),
        'json': northflank_restores.json_type(),
        'list': northflank_restores.text_type(),
    } -%}
    {%- if column is none or column is not defined -%}
        cast(null as {{ types[kind] }})
    {%- else -%}
        {%- set name, type = column -%}
        {%- if kind == 'instant' and northflank_restores.is_naive(type) -%}
            {# target-postgres, run in UTC, drops the zone #}
            {{ northflank_restores.from_utc(adapter.quote(name)) }}
        {%- elif kind == 'json' -%}
            {{ northflank_restores.json_column(name, type) }}
        {%- elif kind == 'list' -%}
            {{ northflank_restores.lines_of(name, type) }}
        {%- else -%}
            cast({{ adapter.quote(name) }} as {{ types[kind] }})
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
