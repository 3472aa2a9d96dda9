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
        {%- if northflank_restores.as_of_text()[:10] > run_started_at.strftime('%Y-%m-%d') -%}
            {%- do exceptions.warn("The variable as_of is '" ~ var('as_of') ~ "', which is later than "
                ~ "now: until then no other run adds to the history") -%}
        {%- endif -%}
        {%- if var('restore_timestamp') not in ('auto', 'started', 'backup_created') -%}
            {{ exceptions.raise_compiler_error("The variable restore_timestamp is '"
                ~ var('restore_timestamp') ~ "'; it takes auto, started or backup_created") }}
        {%- endif -%}
        {%- for name in ('northflank_identifiers', 'northflank_streams') -%}
            {%- set given = var(name) -%}
            {%- set wrong = "The variable " ~ name ~ " is '" ~ given ~ "'; it takes an object by "
                ~ "stream, such as " ~ ("{restores: northflank_restores}"
                if name == 'northflank_identifiers' else "{backups: false}")
                ~ "; the streams are " ~ northflank_restores.streams() | join(', ') -%}
            {%- if given is not mapping -%}
                {{ exceptions.raise_compiler_error(wrong) }}
            {%- endif -%}
            {%- for stream, value in given.items() -%}
                {%- if stream not in northflank_restores.streams()
                    or (name == 'northflank_streams' and value not in (true, false))
                    or (name == 'northflank_identifiers' and not value) -%}
                    {{ exceptions.raise_compiler_error(wrong) }}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if not var('northflank_streams').get('restores', true) -%}
            {{ exceptions.raise_compiler_error("The variable northflank_streams cannot leave out "
                ~ "restores: all answers are made of them") }}
        {%- endif -%}
        {%- set readers = northflank_restores.readers() -%}
        {%- for role in (readers if readers is not string and readers is not mapping else ['']) -%}
            {%- if not modules.re.match('^[A-Za-z_][A-Za-z0-9_$]*$', role | string) -%}
                {{ exceptions.raise_compiler_error((
                    "The variable northflank_readers is '" ~ readers
                    ~ "'; it takes a list of roles, such as [reader, auditor]"
                ) if var('northflank_readers') else (
                    "NORTHFLANK_READERS is '" ~ env_var('NORTHFLANK_READERS')
                    ~ "'; it takes roles, such as reader,auditor"
                )) }}
            {%- endif -%}
        {%- endfor -%}
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
