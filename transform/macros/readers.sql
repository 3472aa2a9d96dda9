{# The roles that may read the marts: those of the variable `northflank_readers`, else those of the
   environment variable NORTHFLANK_READERS. marts.yml and history.yml say the same, where no macro is. #}
{% macro readers() -%}
    {{ return(var('northflank_readers')
        or env_var('NORTHFLANK_READERS', '').replace(',', ' ').split()) }}
{%- endmacro %}

{# Lets the roles of the variable `northflank_readers` into the schemas of the package's models. dbt's
   own grants are for tables only. #}
{% macro let_readers_in() -%}
    {%- if northflank_restores.is_selected() and flags.WHICH in ('build', 'run')
        and northflank_restores.readers() and target.type == 'postgres' -%}
        {%- set schemas = [] -%}
        {%- for node in graph.nodes.values()
            if node.package_name == 'northflank_restores' and node.resource_type == 'model'
            and node.config.grants and node.schema not in schemas -%}
            {%- do schemas.append(node.schema) -%}
        {%- endfor -%}
        {%- for schema in schemas -%}
            {%- for role in northflank_restores.readers() -%}
                {# Asked first, as two runs that change the rights of a schema at once disturb each other. #}
                {%- set may = run_query("select has_schema_privilege('" ~ role ~ "', oid, 'usage') "
                    ~ "from pg_namespace where nspname = '" ~ schema ~ "'").rows -%}
                {%- if may and not may[0][0] -%}
                    {%- do run_query('grant usage on schema "' ~ schema ~ '" to ' ~ role) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
