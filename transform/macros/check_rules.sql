{# Stops a run where a rule cannot be meant: one line names the rule. `rules.py` says the same of the
   package's own seeds before anything is built; a host's rules are only there when its models are.

   name: restore_policies, drill_addons or restore_attestations
   known: the columns that the rules may have
   found: those that they have, each in lower case
   relation: where they are #}
{% macro check_rules(name, known, found, relation) -%}
    {%- set of = northflank_restores.rules_name(name) -%}
    {%- for column in found if column not in known -%}
        {{ exceptions.raise_compiler_error(of ~ ": unknown column '" ~ column
            ~ "'; the columns are " ~ known | join(', ')) }}
    {%- endfor -%}
    {%- set required = {
        'restore_policies': ['rule'],
        'restore_attestations': ['project', 'addon', 'result', 'checked_by', 'checked_on'],
    }.get(name, known) -%}
    {%- for column in required if column not in found -%}
        {{ exceptions.raise_compiler_error(of ~ ": the column " ~ column ~ " is missing") }}
    {%- endfor -%}
    {%- set query -%}
        select
        {%- for column in known %}
            {% if column in found -%}
                trim(cast({{ found[column] }} as {{ dbt.type_string() }}))
            {%- else -%}
                cast(null as {{ dbt.type_string() }})
            {%- endif %} as {{ adapter.quote(column) }}{{ "," if not loop.last }}
        {%- endfor %}
        from {{ relation }}
    {%- endset -%}
    {%- set rows = [] -%}
    {%- for row in run_query(query).rows -%}
        {%- set values = {} -%}
        {%- for column in known -%}
            {%- set value = row[loop.index0] -%}
            {%- do values.update({column: '' if value is none else value | string}) -%}
        {%- endfor -%}
        {%- do rows.append(values) -%}
    {%- endfor -%}
    {%- if name == 'restore_policies' -%}
        {{ northflank_restores._check_policies(of, rows) }}
    {%- elif name == 'restore_attestations' -%}
        {{ northflank_restores._check_attestations(of, rows) }}
    {%- else -%}
        {{ northflank_restores._check_drills(of, rows) }}
    {%- endif -%}
{%- endmacro %}

{% macro _number_and_day() -%}
    {{ return((
        '^[0-9]{1,7}([.][0-9]+)?$',
        '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])( 00:00:00(.0+)?)?$',
    )) }}
{%- endmacro %}

{% macro _check_policies(of, rows) -%}
    {%- set number, day = northflank_restores._number_and_day() -%}
    {%- set names = {} -%}
    {%- set places = {} -%}
    {%- for row in rows -%}
        {%- if row['rule'] in ('', 'default') -%}
            {{ exceptions.raise_compiler_error(of ~ ": a rule needs a name, other than default: "
                ~ row.values() | join(',')) }}
        {%- endif -%}
        {%- set wrong = of ~ ": the rule " ~ row['rule'] ~ " has " -%}
        {%- for column in ('in_scope', 'attestation_required')
            if row[column] | lower not in ('', 'true', 'false') -%}
            {{ exceptions.raise_compiler_error(wrong ~ column ~ " '" ~ row[column]
                ~ "'; it takes true or false") }}
        {%- endfor -%}
        {%- for column in ('rto_minutes', 'rpo_hours', 'drill_interval_days') -%}
            {%- set given = row[column] -%}
            {%- if given and not (modules.re.match(number, given) and given | float > 0) -%}
                {{ exceptions.raise_compiler_error(wrong ~ column ~ " '" ~ given
                    ~ "'; it takes a number greater than 0") }}
            {%- endif -%}
        {%- endfor -%}
        {%- for column in ('waiver_until', 'valid_from') -%}
            {%- if row[column] and not modules.re.match(day, row[column]) -%}
                {{ exceptions.raise_compiler_error(wrong ~ column ~ " '" ~ row[column]
                    ~ "'; it takes a day such as 2026-12-31") }}
            {%- endif -%}
        {%- endfor -%}
        {%- if (row['waiver_reason'] == '') != (row['waiver_until'] == '') -%}
            {{ exceptions.raise_compiler_error(wrong
                ~ "one of waiver_reason and waiver_until; a waiver needs both") }}
        {%- endif -%}
        {%- if row['rule'] in names -%}
            {{ exceptions.raise_compiler_error(of ~ ": two rules have the name " ~ row['rule']) }}
        {%- endif -%}
        {%- do names.update({row['rule']: 1}) -%}
        {%- set place = (row['project'], row['addon'], row['type'], row['tag'],
            row['valid_from'][:10]) -%}
        {%- if place in places -%}
            {{ exceptions.raise_compiler_error(of ~ ": the rules " ~ places[place] ~ " and "
                ~ row['rule'] ~ " match the same addons from the same day on: keep one") }}
        {%- endif -%}
        {%- do places.update({place: row['rule']}) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro _check_drills(of, rows) -%}
    {%- set declared = {} -%}
    {%- for row in rows -%}
        {%- set line = row.values() | join(',') -%}
        {%- if '' in row.values() -%}
            {{ exceptions.raise_compiler_error(of ~ ": a value is missing in the line " ~ line) }}
        {%- endif -%}
        {%- if '*' in row['source_project'] ~ row['source_addon'] -%}
            {{ exceptions.raise_compiler_error(of
                ~ ": the source must be one addon, without a star: " ~ line) }}
        {%- endif -%}
        {%- set place = row['project'] ~ '/' ~ row['addon'] -%}
        {%- if place in declared -%}
            {{ exceptions.raise_compiler_error(of ~ ": " ~ place ~ " is declared twice") }}
        {%- endif -%}
        {%- do declared.update({place: 1}) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro _check_attestations(of, rows) -%}
    {%- set number, day = northflank_restores._number_and_day() -%}
    {%- set attested = {} -%}
    {%- for row in rows -%}
        {%- set line = row.values() | join(',') -%}
        {%- if '' in (row['project'], row['addon'], row['result'], row['checked_by']) -%}
            {{ exceptions.raise_compiler_error(of ~ ": a value is missing in the line " ~ line) }}
        {%- endif -%}
        {%- if (row['restore_id'] == '') == (row['drilled_on'] == '') -%}
            {{ exceptions.raise_compiler_error(of ~ ": a line has either restore_id, or drilled_on "
                ~ "for a drill that left no restore: " ~ line) }}
        {%- endif -%}
        {%- set what = row['project'] ~ '/' ~ row['addon'] ~ '/'
            ~ (row['restore_id'] or 'drill of ' ~ row['drilled_on'][:10]) -%}
        {%- set wrong = of ~ ": the attestation of " ~ what ~ " has " -%}
        {%- if row['result'] not in ('passed', 'failed') -%}
            {{ exceptions.raise_compiler_error(wrong ~ "result '" ~ row['result']
                ~ "'; it takes passed or failed") }}
        {%- endif -%}
        {%- for column in ('checked_on', 'drilled_on') -%}
            {%- if not modules.re.match(day, row[column])
                and (row[column] or column == 'checked_on') -%}
                {{ exceptions.raise_compiler_error(wrong ~ column ~ " '" ~ row[column]
                    ~ "'; it takes a day such as 2026-12-31") }}
            {%- endif -%}
        {%- endfor -%}
        {%- if row['checked_on'][:10] < row['drilled_on'][:10] -%}
            {{ exceptions.raise_compiler_error(wrong ~ "checked_on '" ~ row['checked_on']
                ~ "'; it takes no day before drilled_on") }}
        {%- endif -%}
        {%- if row['minutes'] and not (modules.re.match(number, row['minutes'])
            and row['minutes'] | float > 0) -%}
            {{ exceptions.raise_compiler_error(wrong ~ "minutes '" ~ row['minutes']
                ~ "'; it takes a number greater than 0") }}
        {%- endif -%}
        {%- if row['minutes'] and row['restore_id'] -%}
            {{ exceptions.raise_compiler_error(wrong ~ "minutes '" ~ row['minutes']
                ~ "'; it takes nothing, as the restore has its times") }}
        {%- endif -%}
        {%- if what in attested -%}
            {{ exceptions.raise_compiler_error(of ~ ": " ~ what
                ~ " is attested twice: keep one line") }}
        {%- endif -%}
        {%- do attested.update({what: 1}) -%}
    {%- endfor -%}
{%- endmacro %}

{# Stops a run where a query finds a rule that is for nothing in the warehouse: its line begins with
   the first column. #}
{% macro check_none(name, query, line) -%}
    {%- if northflank_restores.builds_model() -%}
        {%- for row in run_query(query).rows -%}
            {{ exceptions.raise_compiler_error(northflank_restores.rules_name(name) ~ ": "
                ~ line.replace('…', row[0] | string)) }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{# Whether a model is being built, so that the tables before it are there: not when it is compiled,
   and not for a unit test. #}
{% macro builds_model() -%}
    {{ return(execute and flags.WHICH in ('build', 'run') and model.resource_type == 'model') }}
{%- endmacro %}

{# The rows of the rules, each column of its type; one that is not there is empty, and so is an empty
   text. #}
{% macro rules_rows(name, columns) -%}
    {%- set relation = northflank_restores.rules_of(name) -%}
    {%- set found = {} -%}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do found.update({column.name | lower: adapter.quote(column.name)}) -%}
        {%- endfor -%}
        {%- if northflank_restores.builds_model() -%}
            {{ northflank_restores.check_rules(name, columns.keys() | list, found, relation) }}
        {%- endif -%}
    {%- endif -%}
    select
    {%- for column, type in columns.items() %}
        {% if column in found -%}
            cast(nullif(trim(cast({{ found[column] }} as {{ dbt.type_string() }})), '') as {{ type }})
        {%- else -%}
            cast(null as {{ type }})
        {%- endif %} as {{ adapter.quote(column) }}{{ "," if not loop.last }}
    {%- endfor %}
    from {{ relation }}
{%- endmacro %}
