{# The verdicts of `addon_recoverability`, the worst first. The first ones need action. #}
{% macro verdicts() -%}
    {{ return(northflank_restores.verdicts_that_need_action()
        + ('proven', 'waived', 'out of scope', 'deleted')) }}
{%- endmacro %}

{% macro verdicts_that_need_action() -%}
    {{ return((
        'no backup', 'stale backup', 'never tested', 'failing', 'not validated', 'overdue', 'slow'
    )) }}
{%- endmacro %}

{# The place of a verdict among them, from 1. History keeps the names and not these numbers, as a later
   release may have more verdicts. #}
{% macro verdict_rank(verdict) -%}
    case {{ verdict }}
        {%- for name in northflank_restores.verdicts() %}
        when '{{ name }}' then {{ loop.index }}
        {%- endfor %}
    end
{%- endmacro %}

{% macro needs_action(verdict) -%}
    {{ verdict }} in ('{{ northflank_restores.verdicts_that_need_action() | join("', '") }}')
{%- endmacro %}

{# Whether a verdict is worse than the one before: it needs action, and stands before the other. Null
   where there was none before. #}
{% macro is_worse(before, verdict) -%}
    case
        when {{ before }} is not null
            then
                {{ northflank_restores.needs_action(verdict) }}
                and {{ northflank_restores.verdict_rank(verdict) }}
                < {{ northflank_restores.verdict_rank(before) }}
    end
{%- endmacro %}
