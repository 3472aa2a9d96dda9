{# What Redshift writes. Compiled and parsed by the tests, and not run. #}

{# TEXT is VARCHAR(256) there. #}
{% macro redshift__northflank_text_type() -%}
    {{ return('varchar(65535)') }}
{%- endmacro %}

{% macro redshift__northflank_json_type() -%}
    {{ return('varchar(65535)') }}
{%- endmacro %}

{% macro redshift__northflank_minutes_between(start, end) -%}
    (datediff(microsecond, {{ start }}, {{ end }}) / 60000000.0)
{%- endmacro %}

{% macro redshift__northflank_from_milliseconds(expression) -%}
    ((timestamp 'epoch' + {{ expression }} / 1000.0 * interval '1 second') at time zone 'UTC')
{%- endmacro %}

{% macro redshift__northflank_json_column(name, type) -%}
    {%- if type == 'super' -%}
        json_serialize({{ adapter.quote(name) }})
    {%- else -%}
        {{ adapter.quote(name) }}
    {%- endif -%}
{%- endmacro %}

{# With `true`, what is no JSON is null and no error. A key that is missing is an empty text there. #}
{% macro redshift__northflank_json_text(expression, key) -%}
    nullif(json_extract_path_text({{ expression }}, '{{ key }}', true), '')
{%- endmacro %}

{% macro redshift__northflank_lines_of(name, type) -%}
    {{ northflank_restores.lines_of_json(northflank_restores.json_column(name, type)) }}
{%- endmacro %}
