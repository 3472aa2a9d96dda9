{# What engines write differently. The defaults are PostgreSQL's, and DuckDB takes them; `engines/` has
   what Snowflake, BigQuery and Redshift write instead. Another warehouse overrides these by dispatch, for
   example `databricks__northflank_json_text`: the prefix keeps a host's macro of the same purpose
   (`default__percentile`) from being taken for an override. #}

{# A column of the loader's tables, in the API's own spelling. #}
{% macro named(column) -%}
    {{ return(adapter.quote(column)) }}
{%- endmacro %}

{# The parts of a key, which lie in such columns, in one text. #}
{% macro key_of() -%}
    {%- for column in varargs -%}
        {{ "|| '/' || " if not loop.first }}{{ northflank_restores.named(column) }}{{ " " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# A text as a literal, whatever is in it. #}
{% macro literal(text) -%}
    '{{ dbt.escape_single_quotes(text) }}'
{%- endmacro %}

{% macro text_type() -%}
    {{ return(adapter.dispatch('northflank_text_type', 'northflank_restores')()) }}
{%- endmacro %}

{% macro default__northflank_text_type() -%}
    {{ return(dbt.type_string()) }}
{%- endmacro %}

{% macro timestamp_utc() -%}
    {{ return(adapter.dispatch('northflank_timestamp_utc', 'northflank_restores')()) }}
{%- endmacro %}

{% macro default__northflank_timestamp_utc() -%}
    {{ return('timestamp with time zone') }}
{%- endmacro %}

{# The type of a number with so many decimals. #}
{% macro number_type(scale) -%}
    {{ return(adapter.dispatch('northflank_number_type', 'northflank_restores')(scale)) }}
{%- endmacro %}

{% macro default__northflank_number_type(scale) -%}
    {{ return('numeric(18, ' ~ scale ~ ')') }}
{%- endmacro %}

{# What stands before and behind an expression that becomes a number with so many decimals. #}
{% macro number_begin() -%}
    {{ return(adapter.dispatch('northflank_number_begin', 'northflank_restores')()) }}
{%- endmacro %}

{% macro default__northflank_number_begin() -%}
    {{ return('cast(') }}
{%- endmacro %}

{% macro number_end(scale) -%}
    {{ return(adapter.dispatch('northflank_number_end', 'northflank_restores')(scale)) }}
{%- endmacro %}

{% macro default__northflank_number_end(scale) -%}
    {{ return(' as ' ~ northflank_restores.number_type(scale) ~ ')') }}
{%- endmacro %}

{% macro json_type() -%}
    {{ return(adapter.dispatch('northflank_json_type', 'northflank_restores')()) }}
{%- endmacro %}

{% macro default__northflank_json_type() -%}
    {{ return('json') }}
{%- endmacro %}

{# The type of a column as the loader made it, in lower case. #}
{% macro type_of(column) -%}
    {{ return(adapter.dispatch('northflank_type_of', 'northflank_restores')(column) | lower) }}
{%- endmacro %}

{% macro default__northflank_type_of(column) -%}
    {{ return(column.dtype) }}
{%- endmacro %}

{# Whether a type is a time without a zone. #}
{% macro is_naive(type) -%}
    {{ return(adapter.dispatch('northflank_is_naive', 'northflank_restores')(type)) }}
{%- endmacro %}

{% macro default__northflank_is_naive(type) -%}
    {{ return(type in ('timestamp without time zone', 'timestamp')) }}
{%- endmacro %}

{# The instant that a timestamp without zone means in UTC. #}
{% macro from_utc(expression) -%}
    {{ return(adapter.dispatch('northflank_from_utc', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_from_utc(expression) -%}
    ({{ expression }} at time zone 'UTC')
{%- endmacro %}

{# What a clock in UTC shows at an instant: a timestamp without zone. #}
{% macro clock_utc(expression) -%}
    {{ return(adapter.dispatch('northflank_clock_utc', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_clock_utc(expression) -%}
    cast({{ expression }} at time zone 'UTC' as timestamp)
{%- endmacro %}

{# The instant at which a day begins in UTC. #}
{% macro from_date(expression) -%}
    {{ return(adapter.dispatch('northflank_from_date', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_from_date(expression) -%}
    {{ northflank_restores.from_utc('cast(' ~ expression ~ ' as timestamp)') }}
{%- endmacro %}

{# The day, in UTC, of an instant: whatever the time zone of the session is. #}
{% macro utc_date(expression) -%}
    {{ return(adapter.dispatch('northflank_utc_date', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_utc_date(expression) -%}
    cast((({{ expression }}) at time zone 'UTC') as date)
{%- endmacro %}

{# Minutes from one instant to another. #}
{% macro minutes_between(start, end) -%}
    {{ return(adapter.dispatch('northflank_minutes_between', 'northflank_restores')(start, end)) }}
{%- endmacro %}

{% macro default__northflank_minutes_between(start, end) -%}
    (extract(epoch from ({{ end }} - {{ start }})) / 60)
{%- endmacro %}

{# An instant a number of hours or minutes later. #}
{% macro later(part, number, instant) -%}
    {{ return(adapter.dispatch('northflank_later', 'northflank_restores')(part, number, instant)) }}
{%- endmacro %}

{% macro default__northflank_later(part, number, instant) -%}
    {{ dbt.dateadd(part, number, instant) }}
{%- endmacro %}

{# The instant of a number of milliseconds since 1970. #}
{% macro from_milliseconds(expression) -%}
    {{ return(adapter.dispatch('northflank_from_milliseconds', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_from_milliseconds(expression) -%}
    to_timestamp({{ expression }} / 1000.0)
{%- endmacro %}

{# The day of the week, from 0 for Monday to 6. #}
{% macro weekday(expression) -%}
    {{ return(adapter.dispatch('northflank_weekday', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_weekday(expression) -%}
    (cast(extract(dow from {{ expression }}) as integer) + 6) % 7
{%- endmacro %}

{# The least and the greatest of some expressions; nulls do not count. #}
{% macro least_of() -%}
    {{ return(adapter.dispatch('northflank_least_of', 'northflank_restores')(varargs)) }}
{%- endmacro %}

{% macro default__northflank_least_of(expressions) -%}
    least({{ expressions | join(', ') }})
{%- endmacro %}

{% macro greatest_of() -%}
    {{ return(adapter.dispatch('northflank_greatest_of', 'northflank_restores')(varargs)) }}
{%- endmacro %}

{% macro default__northflank_greatest_of(expressions) -%}
    greatest({{ expressions | join(', ') }})
{%- endmacro %}

{# A column with an object of JSON, as `json_text` takes it. #}
{% macro json_column(name, type) -%}
    {{ return(adapter.dispatch('northflank_json_column', 'northflank_restores')(name, type)) }}
{%- endmacro %}

{% macro default__northflank_json_column(name, type) -%}
    {{ adapter.quote(name) }}
{%- endmacro %}

{# A column with a list of texts, as lines of one text. #}
{% macro lines_of(name, type) -%}
    {{ return(adapter.dispatch('northflank_lines_of', 'northflank_restores')(name, type)) }}
{%- endmacro %}

{% macro default__northflank_lines_of(name, type) -%}
    {%- if type.startswith('array') or type.endswith('[]') -%}
        array_to_string({{ adapter.quote(name) }}, chr(10))
    {%- else -%}
        {{ northflank_restores.lines_of_json(
            'cast(' ~ adapter.quote(name) ~ ' as ' ~ northflank_restores.text_type() ~ ')') }}
    {%- endif -%}
{%- endmacro %}

{# The same of a list that is JSON in a text. #}
{% macro lines_of_json(text) -%}
    replace(replace(replace(replace({{ text }}, '["', ''), '"]', ''), '", "', chr(10)), '","', chr(10))
{%- endmacro %}

{% macro json_text(expression, key) -%}
    {{ return(adapter.dispatch('northflank_json_text', 'northflank_restores')(expression, key)) }}
{%- endmacro %}

{% macro default__northflank_json_text(expression, key) -%}
    ({{ expression }} ->> '{{ key }}')
{%- endmacro %}

{# Whether a text is a number of at most 18 digits. #}
{% macro is_number(expression) -%}
    {{ return(adapter.dispatch('northflank_is_number', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_is_number(expression) -%}
    {{ expression }} similar to '[0-9]{1,18}'
{%- endmacro %}

{# Whether a text is what a pattern of the rules says, in which `*` stands for any text.

   around: what is put around both, so that a line of a text is looked for; or nothing #}
{% macro matches(text, pattern, around=none) -%}
    {{ return(adapter.dispatch('northflank_matches', 'northflank_restores')(text, pattern, around)) }}
{%- endmacro %}

{% macro default__northflank_matches(text, pattern, around) -%}
    {%- set like -%}
        replace(replace(replace(replace({{ pattern }}, '!', '!!'), '%', '!%'), '_', '!_'), '*', '%')
    {%- endset -%}
    {%- if around -%}
        {{ around }} || {{ text }} || {{ around }}
        like '%' || {{ around }} || {{ like }} || {{ around }} || '%' escape '!'
    {%- else -%}
        {{ text }} like {{ like }} escape '!'
    {%- endif -%}
{%- endmacro %}

{# Interpolated percentile; nulls do not count. Of a decimal, DuckDB would cut off the last digit. #}
{% macro percentile(fraction, expression) -%}
    {{ return(adapter.dispatch('northflank_percentile', 'northflank_restores')(fraction, expression)) }}
{%- endmacro %}

{% macro default__northflank_percentile(fraction, expression) -%}
    {{ northflank_restores.number_begin() }}
        percentile_cont({{ fraction }}) within group (
            order by cast({{ expression }} as double precision)
        )
    {{ northflank_restores.number_end(3) }}
{%- endmacro %}

{# A number of minutes as text, with one decimal where that is not zero. #}
{% macro minutes_text(expression) -%}
    {%- set minutes -%}
        {{ northflank_restores.number_begin() }}{{ expression }}{{ northflank_restores.number_end(1) }}
    {%- endset -%}
    replace({{ northflank_restores.as_text(minutes) }}, '.0', '') || ' min'
{%- endmacro %}

{% macro as_text(expression) -%}
    cast({{ expression }} as {{ northflank_restores.text_type() }})
{%- endmacro %}

{# A query for the numbers n from 0 on, as many hundreds as are asked for. Not every engine recurses
   within a query. #}
{% macro numbers_below(hundreds) -%}
    {%- set digits -%}
        (
            {%- for digit in range(10) %}
            select {{ digit }} as d{{ " union all" if not loop.last }}
            {%- endfor %}
        )
    {%- endset -%}
    select hundreds.h * 100 + tens.d * 10 + ones.d as n
    from {{ digits }} as ones
    cross join {{ digits }} as tens
    cross join (
        {%- for hundred in range(hundreds) %}
        select {{ hundred }} as h{{ " union all" if not loop.last }}
        {%- endfor %}
    ) as hundreds
{%- endmacro %}

{# The first 32 bits of the MD5 of a text, as a number; null where the engine is not known to make it
   as the tap does. #}
{% macro hash32(expression) -%}
    {{ return(adapter.dispatch('northflank_hash32', 'northflank_restores')(expression)) }}
{%- endmacro %}

{% macro default__northflank_hash32(expression) -%}
    cast(null as {{ dbt.type_bigint() }})
{%- endmacro %}

{% macro postgres__northflank_hash32(expression) -%}
    cast(cast('x' || substr(md5({{ expression }}), 1, 8) as bit(32)) as bigint)
{%- endmacro %}

{# Redshift would take PostgreSQL's. #}
{% macro redshift__northflank_hash32(expression) -%}
    {{ northflank_restores.default__northflank_hash32(expression) }}
{%- endmacro %}

{% macro duckdb__northflank_hash32(expression) -%}
    cast('0x' || substr(md5({{ expression }}), 1, 8) as bigint)
{%- endmacro %}
