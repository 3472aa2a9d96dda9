{# The rows of one of the tap's tables, with exactly the columns asked for.

   A table may be missing (backups are not selected by default; with the tap's setting `addons`
   nothing is listed), and so may a column (one deselected; the loader's `_sdc_…` without
   `add_record_metadata`): then there are no rows, or nulls.

   columns: the column's name at the source -> text, instant, json or integer #}
{% macro loaded(table, columns) -%}
    {%- set found = adapter.get_relation(table.database, table.schema, table.identifier)
        if execute else none -%}
    {%- set types = {} -%}
    {%- if found -%}
        {%- for column in adapter.get_columns_in_relation(found) -%}
            {%- do types.update({column.name: column.dtype | lower}) -%}
        {%- endfor -%}
    {%- endif -%}
    select
    {%- for name, kind in columns.items() %}
        {{ _loaded_column(name, kind, types.get(name)) }} as {{ adapter.quote(name) }}
        {{- "," if not loop.last }}
    {%- endfor %}
    {%- if found %}
    from {{ found }}
    {%- else %}
    where 1 = 0
    {%- endif %}
{%- endmacro %}

{% macro _loaded_column(name, kind, type) -%}
    {%- set types = {
        'text': dbt.type_string(),
        'instant': timestamp_utc(),
        'integer': dbt.type_bigint(),
        'json': 'json',
    } -%}
    {%- if type is none or type is not defined -%}
        cast(null as {{ types[kind] }})
    {%- elif kind == 'instant' and type in ('timestamp without time zone', 'timestamp') -%}
        {# target-postgres, run in UTC, drops the zone #}
        {{ from_utc(adapter.quote(name)) }}
    {%- elif kind == 'json' -%}
        {{ adapter.quote(name) }}
    {%- else -%}
        cast({{ adapter.quote(name) }} as {{ types[kind] }})
    {%- endif -%}
{%- endmacro %}
