{# Whether a text is what a pattern says; `*` in it stands for any text, and no pattern for all. #}
{% macro fits(text, pattern) -%}
    (
        {{ pattern }} is null
        or {{ northflank_restores.matches(text, pattern) }}
    )
{%- endmacro %}

{# Whether one of the lines of a text is what a pattern says. #}
{% macro a_line_fits(lines, pattern) -%}
    (
        {{ pattern }} is null
        or {{ northflank_restores.matches(lines, pattern, around='chr(10)') }}
    )
{%- endmacro %}

{# How specific a pattern is: 0 for none, 1 with a star in it, 2 for one exact text. #}
{% macro specificity(pattern) -%}
    case when {{ pattern }} is null then 0 when {{ pattern }} like '%*%' then 1 else 2 end
{%- endmacro %}

{# The first day of an instant's quarter in UTC. #}
{% macro quarter_of(expression) -%}
    cast({{ dbt.date_trunc('quarter', 'cast(' ~ northflank_restores.utc_date(expression) ~ ' as timestamp)') }} as date)
{%- endmacro %}

{# The instant whose rule judges a quarter: its end, or `as_of` while it is not over. #}
{% macro period_of_quarter() -%}
    {{ northflank_restores.least_of(
        northflank_restores.from_date(
            'cast(' ~ dbt.dateadd('month', 3, 'quarters.quarter_start') ~ ' as date)'
        ),
        northflank_restores.as_of()
    ) }}
{%- endmacro %}
