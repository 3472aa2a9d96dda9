{# Warns before a run drops what is not dbt's: PostgreSQL drops each view on a table that is made anew. #}
{% macro warn_of_views() -%}
    {%- if northflank_restores.is_selected() and flags.WHICH in ('build', 'run')
        and target.type == 'postgres' -%}
        {%- set made = [] -%}
        {%- set known = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
            {%- do known.append("'" ~ node.schema ~ "." ~ node.alias ~ "'") -%}
            {%- if node.unique_id in selected_resources
                and node.package_name == 'northflank_restores'
                and node.config.materialized == 'table' -%}
                {%- do made.append(known[-1]) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set query -%}
            select distinct
                view_schemas.nspname || '.' || views.relname,
                table_schemas.nspname || '.' || tables.relname
            from pg_depend as dependencies
            inner join pg_rewrite as rules on dependencies.objid = rules.oid
            inner join pg_class as views on rules.ev_class = views.oid
            inner join pg_namespace as view_schemas on views.relnamespace = view_schemas.oid
            inner join pg_class as tables on dependencies.refobjid = tables.oid
            inner join pg_namespace as table_schemas on tables.relnamespace = table_schemas.oid
            where
                dependencies.classid = 'pg_rewrite'::regclass
                and table_schemas.nspname || '.' || tables.relname in ({{ made | join(', ') }})
                and view_schemas.nspname || '.' || views.relname not in ({{ known | join(', ') }})
            order by 1, 2
        {%- endset -%}
        {%- for row in (run_query(query).rows if made else []) -%}
            {%- do exceptions.warn("The view " ~ row[0] ~ " is dropped, as it reads " ~ row[1]
                ~ ", which is made anew: make it a model of dbt, and each run makes it again") -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
