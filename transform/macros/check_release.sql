{# Stops a run, before anything is built, that would add to a table which another release of these
   models made with other columns: dbt's own error would name a line of SQL. The history is not among
   them, as its tables take new columns; of the seeds `rules.py` tells. #}
{% macro check_release() -%}
    {%- if northflank_restores.is_selected() and flags.WHICH in ('build', 'run')
        and not flags.FULL_REFRESH -%}
        {%- for node in graph.nodes.values()
            if node.package_name == 'northflank_restores' and node.unique_id in selected_resources
            and node.resource_type == 'model' and node.config.materialized == 'incremental'
            and node.config.full_refresh is none -%}
            {%- set table = adapter.get_relation(node.database, node.schema, node.alias) -%}
            {%- set names = node.columns | map('lower') | sort -%}
            {%- if table
                and adapter.get_columns_in_relation(table) | map(attribute='name') | map('lower') | sort
                    != names -%}
                {{ exceptions.raise_compiler_error("The table " ~ table.schema ~ "."
                    ~ table.identifier ~ " is of another release of these models: build once with "
                    ~ "--full-refresh") }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
