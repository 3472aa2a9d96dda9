{# The version in dbt_project.yml, which dbt does not give to a model. #}
{% macro package_version() -%}
    1.0.0
{%- endmacro %}
