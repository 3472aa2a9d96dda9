{# The table of the rules: the package's seed, or the model or seed that the variable of the same name
   names as `project.name`. #}
{% macro rules_of(seed) -%}
    {{ return(ref(*northflank_restores.rules_name(seed).split('.'))) }}
{%- endmacro %}

{% macro rules_name(seed) -%}
    {%- set given = var(seed) | string | trim -%}
    {%- if not modules.re.match('^[A-Za-z0-9_]+[.][A-Za-z0-9_]+$', given) -%}
        {{ exceptions.raise_compiler_error("The variable " ~ seed ~ " is '" ~ given
            ~ "'; it takes a project and a model or seed in it, such as acme.database_rules") }}
    {%- endif -%}
    {{ return(given) }}
{%- endmacro %}
