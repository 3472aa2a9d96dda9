{# Stops a run, before anything is built, whose variables cannot be meant: one line says which. A
   host's run that builds nothing of the package goes on. #}
{% macro check_variables() -%}
    {%- if northflank_restores.is_selected() -%}
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

{# Whether the run has something of this package. #}
{% macro is_selected() -%}
    {%- for name in (selected_resources if execute else [])
        if name.split('.')[1] == 'northflank_restores' -%}
        {{ return(true) }}
    {%- endfor -%}
    {{ return(false) }}
{%- endmacro %}
