{# Stops a run, before anything is built, whose variables cannot be meant: one line says which. #}
{% macro check_variables() -%}
    {%- if execute -%}
        {%- set positive = '^[0-9]+([.][0-9]+)?$' -%}
        {%- for name in ('rto_minutes', 'rpo_hours', 'overdue_after_days') -%}
            {%- set given = var(name) | string | trim -%}
            {%- if not modules.re.match(positive, given) or given | float <= 0
                or given | float > 1000000 -%}
                {{ exceptions.raise_compiler_error("The variable " ~ name ~ " is '" ~ given
                    ~ "'; it takes a number greater than 0, such as 60") }}
            {%- endif -%}
        {%- endfor -%}
        {%- if var('restore_timestamp') not in ('auto', 'started', 'backup_created') -%}
            {{ exceptions.raise_compiler_error("The variable restore_timestamp is '"
                ~ var('restore_timestamp') ~ "'; it takes auto, started or backup_created") }}
        {%- endif -%}
        {%- if not modules.re.match('^[0-9]{4}-[0-9]{2}-[0-9]{2}$', var('plausible_since') | string) -%}
            {{ exceptions.raise_compiler_error("The variable plausible_since is '"
                ~ var('plausible_since') ~ "'; it takes a day such as 2015-01-01") }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
