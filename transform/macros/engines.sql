{# What engines write differently. Another warehouse overrides these by dispatch, for example
   `snowflake__northflank_json_text`: the prefix keeps a host's macro of the same purpose
   (`default__percentile`) from being taken for an override. #}

{% macro timestamp_utc() -%}
    {{ return(adapter.dispatch('northflank_timestamp_utc', 'northflank_restores')()) }}
{%- endmacro %}

{% macro default__northflank_timestamp_utc() -%}
    timestamp with time zone
{%- endmacro %}

{# The instant that a timestamp without zone means in UTC. #}
{% macro from_utc(expression) -%}
    {{ return(adapter.dispatch('northflank_from_utc', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_from_utc(expression) -%}
    ({{ expression }} at time zone 'UTC')
{%- endmacro %}

{# The day, in UTC, of an instant: whatever the time zone of the session is. #}
{% macro utc_date(expression) -%}
    {{ return(adapter.dispatch('northflank_utc_date', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_utc_date(expression) -%}
    cast((({{ expression }}) at time zone 'UTC') as date)
{%- endmacro %}

{# Minutes from one instant to another. #}
{% macro minutes_between(start, end) -%}
    {{ return(adapter.dispatch('northflank_minutes_between', 'northflank_restores')(start, end)) }}
{%- endmacro %}

{% macro default__northflank_minutes_between(start, end) -%}
    (extract(epoch from ({{ end }} - {{ start }})) / 60)
{%- endmacro %}

{# The instant of a number of milliseconds since 1970. #}
{% macro from_milliseconds(expression) -%}
    {{ return(adapter.dispatch('northflank_from_milliseconds', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_from_milliseconds(expression) -%}
    to_timestamp({{ expression }} / 1000.0)
{%- endmacro %}

{% macro json_text(expression, key) -%}
    {{ return(adapter.dispatch('northflank_json_text', 'northflank_restores')(expression, key)) }}
{%- endmacro %}

{% macro default__northflank_json_text(expression, key) -%}
    ({{ expression }} ->> '{{ key }}')
{%- endmacro %}

{# Interpolated percentile; nulls do not count. Of a decimal, DuckDB would cut off the last digit. #}
{% macro percentile(fraction, expression) -%}
    {{ return(adapter.dispatch('northflank_percentile', 'northflank_restores')(fraction, expression)) }}
{%- endmacro %}

{% macro default__northflank_percentile(fraction, expression) -%}
    cast(
        percentile_cont({{ fraction }}) within group (
            order by cast({{ expression }} as double precision)
        ) as numeric(18, 3)
    )
{%- endmacro %}

{# A number of minutes as text, with one decimal where that is not zero. #}
{% macro minutes_text(expression) -%}
    replace(cast(cast({{ expression }} as numeric(18, 1)) as {{ dbt.type_string() }}), '.0', '')
    || ' min'
{%- endmacro %}
