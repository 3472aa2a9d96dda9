{# What BigQuery writes. Compiled and parsed by the tests, and not run. A TIMESTAMP is an instant, a
   DATETIME has no zone. #}

{% macro bigquery__northflank_timestamp_utc() -%}
    {{ return('timestamp') }}
{%- endmacro %}

{# A cast takes no numbers of digits there. #}
{% macro bigquery__northflank_number_type(scale) -%}
    {{ return('numeric') }}
{%- endmacro %}

{% macro bigquery__northflank_number_begin() -%}
    {{ return('round(cast(') }}
{%- endmacro %}

{% macro bigquery__northflank_number_end(scale) -%}
    {{ return(' as numeric), ' ~ scale ~ ')') }}
{%- endmacro %}

{# Its `dtype` does not say whether a column is repeated. #}
{% macro bigquery__northflank_type_of(column) -%}
    {{ return(column.data_type) }}
{%- endmacro %}

{% macro bigquery__northflank_is_naive(type) -%}
    {{ return(type == 'datetime') }}
{%- endmacro %}

{% macro bigquery__northflank_from_utc(expression) -%}
    timestamp(cast({{ expression }} as datetime), 'UTC')
{%- endmacro %}

{% macro bigquery__northflank_clock_utc(expression) -%}
    datetime({{ expression }}, 'UTC')
{%- endmacro %}

{% macro bigquery__northflank_from_date(expression) -%}
    timestamp({{ expression }}, 'UTC')
{%- endmacro %}

{% macro bigquery__northflank_utc_date(expression) -%}
    date({{ expression }}, 'UTC')
{%- endmacro %}

{% macro bigquery__northflank_minutes_between(start, end) -%}
    (timestamp_diff({{ end }}, {{ start }}, microsecond) / 60000000)
{%- endmacro %}

{% macro bigquery__northflank_later(part, number, instant) -%}
    timestamp_add({{ instant }}, interval {{ number }} {{ part }})
{%- endmacro %}

{% macro bigquery__northflank_from_milliseconds(expression) -%}
    timestamp_millis({{ expression }})
{%- endmacro %}

{% macro bigquery__northflank_weekday(expression) -%}
    mod(extract(dayofweek from {{ expression }}) + 5, 7)
{%- endmacro %}

{# LEAST and GREATEST are null if one is. #}
{% macro bigquery__northflank_least_of(expressions) -%}
    (select min(one) from unnest([{{ expressions | join(', ') }}]) as one)
{%- endmacro %}

{% macro bigquery__northflank_greatest_of(expressions) -%}
    (select max(one) from unnest([{{ expressions | join(', ') }}]) as one)
{%- endmacro %}

{% macro bigquery__northflank_json_column(name, type) -%}
    {%- if type == 'json' -%}
        {{ adapter.quote(name) }}
    {%- elif type == 'string' -%}
        safe.parse_json({{ adapter.quote(name) }})
    {%- else -%}
        to_json({{ adapter.quote(name) }})
    {%- endif -%}
{%- endmacro %}

{# JSON_VALUE is null for a list. #}
{% macro bigquery__northflank_json_text(expression, key) -%}
    coalesce(
        json_value({{ expression }}, '$.{{ key }}'),
        nullif(to_json_string(json_query({{ expression }}, '$.{{ key }}')), 'null')
    )
{%- endmacro %}

{% macro bigquery__northflank_lines_of(name, type) -%}
    {%- if type.startswith('array') -%}
        array_to_string({{ adapter.quote(name) }}, chr(10))
    {%- elif type == 'json' -%}
        {{ northflank_restores.lines_of_json('to_json_string(' ~ adapter.quote(name) ~ ')') }}
    {%- else -%}
        {{ northflank_restores.lines_of_json(adapter.quote(name)) }}
    {%- endif -%}
{%- endmacro %}

{% macro bigquery__northflank_is_number(expression) -%}
    regexp_contains({{ expression }}, r'^[0-9]{1,18}$')
{%- endmacro %}

{# LIKE has no ESCAPE: a backslash escapes, always. #}
{% macro bigquery__northflank_matches(text, pattern, around) -%}
    {%- set like -%}
        replace(replace(replace(replace({{ pattern }}, '\\', '\\\\'), '%', '\\%'), '_', '\\_'), '*', '%')
    {%- endset -%}
    {%- if around -%}
        {{ around }} || {{ text }} || {{ around }}
        like '%' || {{ around }} || {{ like }} || {{ around }} || '%'
    {%- else -%}
        {{ text }} like {{ like }}
    {%- endif -%}
{%- endmacro %}

{# PERCENTILE_CONT is no aggregate there, and APPROX_QUANTILES is not exact. #}
{% macro bigquery__northflank_percentile(fraction, expression) -%}
    {%- set values = 'array_agg(' ~ expression ~ ' ignore nulls order by ' ~ expression ~ ')' -%}
    {%- set place = fraction ~ ' * (array_length(' ~ values ~ ') - 1)' -%}
    {%- set below = values ~ '[safe_offset(cast(floor(' ~ place ~ ') as int64))]' -%}
    {%- set above = values ~ '[safe_offset(cast(ceil(' ~ place ~ ') as int64))]' -%}
    {{ northflank_restores.number_begin() }}
        {{ below }} + ({{ above }} - {{ below }}) * cast({{ place }} - floor({{ place }}) as numeric)
    {{ northflank_restores.number_end(3) }}
{%- endmacro %}
