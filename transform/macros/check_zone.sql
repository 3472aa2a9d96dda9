{# Stops a run, before anything is built, whose tables were loaded by a session that was not in UTC:
   columns without a zone then hold other instants than the API's, by hours, and nothing else shows it.

   An instant is known beside such a column. The loader's SDK writes two at one moment into each row:
   `_sdc_sequence`, milliseconds since 1970, which no zone moves, and `_sdc_received_at`. They differ by
   the zone's offset or not at all, so each row tells, and no slow sync is taken for a zone. Zones lie a
   multiple of 15 minutes from UTC; other differences are some other clock's.

   Loaders without these two may have `_sdc_sync_started_at` and `_sdc_batched_at`. A batch begins after
   its sync, so an earlier one is of a zone in the west. A later one is of a zone in the east, or of a
   sync that waited. So the first batch of the newest sync is looked at (of older ones, later syncs have
   replaced rows), and only 70 minutes or more count that end within a minute of a zone's offset: the tap
   waits an hour at most for its quota by default.

   A zone that is at UTC in winter is seen with rows that were loaded in summer. #}
{% macro check_zone() -%}
    {%- if northflank_restores.is_selected() and flags.WHICH in ('build', 'run') -%}
        {%- set starts = [] -%}
        {%- for stream in northflank_restores.streams() -%}
            {%- set table = northflank_restores.found_table(stream) -%}
            {%- set columns = northflank_restores.columns_of(table) if table else {} -%}
            {%- if northflank_restores._is_naive(columns.get('sdcreceivedat'))
                and 'sdcsequence' in columns -%}
                {%- set minutes = northflank_restores._minutes_off(columns, 'sdcsequence',
                    'sdcreceivedat') -%}
                {{ northflank_restores._stop_if_off(table, "select count(*), min(minutes) from (select "
                    ~ minutes ~ " as minutes from " ~ table ~ ") as loads where abs(minutes) >= 14 "
                    ~ "and abs(minutes - 15 * round(minutes / 15)) < 1") }}
            {%- elif northflank_restores._is_naive(columns.get('sdcbatchedat'))
                and 'sdcsyncstartedat' in columns -%}
                {%- do starts.append("select '" ~ table.schema ~ "." ~ table.identifier
                    ~ "' as loaded, " ~ adapter.quote(columns['sdcsyncstartedat'][0]) ~ " as started, "
                    ~ northflank_restores._minutes_off(columns, 'sdcsyncstartedat', 'sdcbatchedat')
                    ~ " as minutes from " ~ table) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if starts -%}
            {{ northflank_restores._stop_if_off('the newest sync', "select count(*), min(minutes) from ("
                ~ "select min(minutes) as minutes from (" ~ starts | join(' union all ')
                ~ ") as batches group by started order by started desc limit 1) as newest where "
                ~ "minutes between -900 and -14 or (minutes between 70 and 900 "
                ~ "and minutes - 15 * floor(minutes / 15) < 1)") }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro _is_naive(column) -%}
    {{ return(column is not none and column is defined
        and northflank_restores.is_naive(column[1])) }}
{%- endmacro %}

{# By how many minutes a column without a zone, read as UTC, is later than an instant. #}
{% macro _minutes_off(columns, instant, naive) -%}
    {{ return(northflank_restores.minutes_between(
        northflank_restores.from_milliseconds(adapter.quote(columns[instant][0])),
        northflank_restores.from_utc(adapter.quote(columns[naive][0]))
    )) }}
{%- endmacro %}

{% macro _stop_if_off(table, query) -%}
    {%- set rows, minutes = run_query(query).rows[0] -%}
    {%- if rows -%}
        {%- set off = (minutes | float / 15) | round | int * 15 -%}
        {{ exceptions.raise_compiler_error(
            "Times of " ~ table ~ " are " ~ off | abs ~ " minutes too "
            ~ ("late" if off > 0 else "early")
            ~ ": the loader's session was not in UTC. Set PGTZ=UTC in its environment, or add "
            ~ "options=-c%20timezone%3DUTC to its URL, and mend what is loaded: see docs/errors.md, "
            ~ "The models"
        ) }}
    {%- endif -%}
{%- endmacro %}
