{# What engines write differently. Another warehouse overrides these by dispatch, for example
   `snowflake__json_text`. #}

{% macro timestamp_utc() -%}
    {{ return(adapter.dispatch('timestamp_utc')()) }}
{%- endmacro %}

{% macro default__timestamp_utc() -%}
    timestamp with time zone
{%- endmacro %}

{# The instant that a timestamp without zone means in UTC. #}
{% macro from_utc(expression) -%}
    {{ return(adapter.dispatch('from_utc')(expression)) }}
{%- endmacro %}

{% macro default__from_utc(expression) -%}
    ({{ expression }} at time zone 'UTC')
{%- endmacro %}

{# The day, in UTC, of an instant: whatever the time zone of the session is. #}
{% macro utc_date(expression) -%}
    {{ return(adapter.dispatch('utc_date')(expression)) }}
{%- endmacro %}

{% macro default__utc_date(expression) -%}
    cast((({{ expression }}) at time zone 'UTC') as date)
{%- endmacro %}

{# Minutes from one instant to another. #}
{% macro minutes_between(start, end) -%}
    {{ return(adapter.dispatch('minutes_between')(start, end)) }}
{%- endmacro %}

{% macro default__minutes_between(start, end) -%}
    (extract(epoch from ({{ end }} - {{ start }})) / 60)
{%- endmacro %}

{# The instant of a number of milliseconds since 1970. #}
{% macro from_milliseconds(expression) -%}
    {{ return(adapter.dispatch('from_milliseconds')(expression)) }}
{%- endmacro %}

{% macro default__from_milliseconds(expression) -%}
    to_timestamp({{ expression }} / 1000.0)
{%- endmacro %}

{% macro json_text(expression, key) -%}
    {{ return(adapter.dispatch('json_text')(expression, key)) }}
{%- endmacro %}

{% macro default__json_text(expression, key) -%}
    ({{ expression }} ->> '{{ key }}')
{%- endmacro %}

{# Interpolated percentile; nulls do not count. #}
{% macro percentile(fraction, expression) -%}
    {{ return(adapter.dispatch('percentile')(fraction, expression)) }}
{%- endmacro %}

{% macro default__percentile(fraction, expression) -%}
    cast(
        percentile_cont({{ fraction }}) within group (order by {{ expression }}) as numeric(18, 3)
    )
{%- endmacro %}

{# A number of minutes as text, with one decimal where that is not zero. #}
{% macro minutes_text(expression) -%}
    replace(cast(cast({{ expression }} as numeric(18, 1)) as {{ dbt.type_string() }}), '.0', '')
    || ' min'
{%- endmacro %}
