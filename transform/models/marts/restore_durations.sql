-- One row a type of database, and one for all types: how long the successful restores of the last 365
-- days took.
with measured as (
    select
        database_type,
        duration_minutes,
        target_minutes,
        within_target
    from {{ ref('northflank_restores', 'restore_attempts') }}
    where
        outcome = 'succeeded'
        and duration_minutes is not null
        and source_addon_key is not null
        and counted_at <= {{ as_of() }}
        and counted_at > {{ days_ago(365) }}
),

counted as (
    select
        'type/' || database_type as durations_key,
        measured.*
    from measured
    union all
    select
        'all' as durations_key,
        measured.*
    from measured
)

select
    durations_key,
    case when durations_key <> 'all' then max(database_type) end as database_type,
    count(*) as restores,
    {%- for percent in ('05', '25', '50', '75', '95') %}
    {{ percentile('0.' ~ percent, 'duration_minutes') }} as p{{ percent }}_minutes,
    {%- endfor %}
    max(duration_minutes) as longest_minutes,
    count(case when within_target then 1 end) as within_target,
    min(target_minutes) as shortest_target_minutes,
    max(target_minutes) as longest_target_minutes
from counted
group by durations_key
