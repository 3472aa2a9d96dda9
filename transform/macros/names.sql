{# The package's own names, beside a host that has the same. dbt looks for `ref('name')` in the host
   first, and makes such a ref for each data test of a column. So a ref with one name is of this
   package here; the models name the package themselves. #}
{% macro ref() -%}
    {%- if varargs | length == 1 -%}
        {{ return(builtins.ref('northflank_restores', varargs[0], **kwargs)) }}
    {%- endif -%}
    {{ return(builtins.ref(*varargs, **kwargs)) }}
{%- endmacro %}

{# dbt's tests, with the `ref` above: while dbt parses a test, it knows those macros only that the
   test's text calls by name. #}
{% macro _with_own_ref(result) -%}
    {%- if result is none -%}
        {{ return(northflank_restores.ref(result)) }}
    {%- endif -%}
    {{ return(result) }}
{%- endmacro %}

{% test not_null(model, column_name) -%}
    {{ northflank_restores._with_own_ref(dbt.test_not_null(model, column_name)) }}
{%- endtest %}

{% test unique(model, column_name) -%}
    {{ northflank_restores._with_own_ref(dbt.test_unique(model, column_name)) }}
{%- endtest %}

{% test accepted_values(model, column_name, values, quote=true) -%}
    {%- set escaped = [] -%}
    {%- for value in values -%}
        {%- do escaped.append(dbt.escape_single_quotes(value) if quote else value) -%}
    {%- endfor -%}
    {{ northflank_restores._with_own_ref(
        dbt.test_accepted_values(model, column_name, escaped, quote)
    ) }}
{%- endtest %}

{% test relationships(model, column_name, to, field) -%}
    {{ northflank_restores._with_own_ref(
        dbt.test_relationships(model, column_name, to, field)
    ) }}
{%- endtest %}
