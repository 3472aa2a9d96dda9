{# The instant that the marts are computed for: the variable `as_of`, else the start of this run.
   One instant for all models of a run, so that they agree. #}
{% macro as_of() -%}
    cast('{{ northflank_restores.as_of_text() }}' as {{ northflank_restores.timestamp_utc() }})
{%- endmacro %}

{% macro as_of_text() -%}
    {%- set given = var('as_of') | string | trim -%}
    {%- if not given -%}
        {{ return(run_started_at.isoformat()) }}
    {%- endif -%}
    {%- set pattern = '^D{4}-DD-DD([T ]DD:DD(:DD([.]D{1,6})?)?(Z|[+-]DD:DD)?)?$' -%}
    {%- if not modules.re.match(pattern.replace('D', '[0-9]'), given) -%}
        {{ exceptions.raise_compiler_error(
            "The variable as_of is '" ~ given ~ "'; it takes an ISO 8601 time such as "
            ~ "2026-07-01 or 2026-07-01T12:30:00Z"
        ) }}
    {%- endif -%}
    {%- if modules.re.search('(Z|[+-][0-9]{2}:[0-9]{2})$', given) -%}
        {{ return(given) }}
    {%- endif -%}
    {{ return(given ~ (':00' if given | length == 16 else '' if given | length > 10
                       else ' 00:00:00') ~ '+00:00') }}
{%- endmacro %}

{# Whether no earlier run was for a later instant: a look back makes no history. #}
{% macro is_no_look_back() -%}
    not exists (
        select 1 from {{ ref('northflank_restores', 'recoverability_runs') }} as runs
        where runs.as_of > {{ northflank_restores.as_of() }}
    )
{%- endmacro %}

{# The instant a number of days before `as_of`. Counted in hours: a day is 24 of them, also where
   the session's time zone changes its clocks. #}
{% macro days_ago(days) -%}
    {{ northflank_restores.later('hour', (days | int) * -24, northflank_restores.as_of()) }}
{%- endmacro %}
