{# What Snowflake writes. Compiled and parsed by the tests, and not run. Instants are TIMESTAMP_TZ, which
   keeps an offset: what reads a day or an hour of one goes through UTC. #}

{% macro snowflake__northflank_timestamp_utc() -%}
    {{ return('timestamp_tz') }}
{%- endmacro %}

{% macro snowflake__northflank_json_type() -%}
    {{ return('variant') }}
{%- endmacro %}

{% macro snowflake__northflank_is_naive(type) -%}
    {{ return(type.startswith('timestamp_ntz')) }}
{%- endmacro %}

{% macro snowflake__northflank_from_utc(expression) -%}
    to_timestamp_tz(to_varchar({{ expression }}, 'YYYY-MM-DD HH24:MI:SS.FF9') || ' +00:00')
{%- endmacro %}

{% macro snowflake__northflank_clock_utc(expression) -%}
    cast(convert_timezone('UTC', {{ expression }}) as timestamp_ntz)
{%- endmacro %}

{% macro snowflake__northflank_from_date(expression) -%}
    to_timestamp_tz(to_varchar({{ expression }}, 'YYYY-MM-DD') || ' 00:00:00 +00:00')
{%- endmacro %}

{% macro snowflake__northflank_utc_date(expression) -%}
    cast(convert_timezone('UTC', {{ expression }}) as date)
{%- endmacro %}

{# In floating point: a quotient of numbers has six decimals there, and is used to judge seconds. #}
{% macro snowflake__northflank_minutes_between(start, end) -%}
    (datediff('microsecond', {{ start }}, {{ end }}) / cast(60000000 as double))
{%- endmacro %}

{% macro snowflake__northflank_from_milliseconds(expression) -%}
    to_timestamp_tz({{ expression }}, 3)
{%- endmacro %}

{# DAYOFWEEK depends on the session's WEEK_START. #}
{% macro snowflake__northflank_weekday(expression) -%}
    (dayofweekiso({{ expression }}) - 1)
{%- endmacro %}

{# LEAST and GREATEST are null if one is. #}
{% macro snowflake__northflank_least_of(expressions) -%}
    least_ignore_nulls({{ expressions | join(', ') }})
{%- endmacro %}

{% macro snowflake__northflank_greatest_of(expressions) -%}
    greatest_ignore_nulls({{ expressions | join(', ') }})
{%- endmacro %}

{% macro snowflake__northflank_json_column(name, type) -%}
    {%- if type in ('variant', 'object') -%}
        {{ adapter.quote(name) }}
    {%- else -%}
        try_parse_json({{ adapter.quote(name) }})
    {%- endif -%}
{%- endmacro %}

{% macro snowflake__northflank_json_text(expression, key) -%}
    cast(get_path({{ expression }}, '{{ key }}') as varchar)
{%- endmacro %}

{% macro snowflake__northflank_lines_of(name, type) -%}
    {%- if type in ('array', 'variant') -%}
        array_to_string({{ adapter.quote(name) }}, chr(10))
    {%- else -%}
        {{ northflank_restores.lines_of_json(adapter.quote(name)) }}
    {%- endif -%}
{%- endmacro %}

{# REGEXP_LIKE looks at the whole text there. #}
{% macro snowflake__northflank_is_number(expression) -%}
    regexp_like({{ expression }}, '[0-9]{1,18}')
{%- endmacro %}
