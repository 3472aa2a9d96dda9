{# An instant, or null where it cannot be one of this account: 1970 or year 1 stands for "none yet"
   in many APIs, and what lies in the future has not happened. `as_of` may lie in the past on
   purpose, so the future begins at the run's start or at `as_of`, whichever is later. #}
{% macro plausible(expression) -%}
    case
        when
            {{ expression }} >= cast('{{ var("plausible_since") }} 00:00:00+00:00'
                as {{ northflank_restores.timestamp_utc() }})
            and (
                {{ expression }} <= cast('{{ run_started_at.isoformat() }}'
                    as {{ northflank_restores.timestamp_utc() }})
                or {{ expression }} <= {{ northflank_restores.as_of() }}
            )
            then {{ expression }}
    end
{%- endmacro %}
