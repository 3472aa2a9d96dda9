-- One row for each thing in the restores that cannot be what it says, and what was made of it.
with restores as (
    select * from {{ ref('northflank_restores', 'stg_northflank__restores') }}
),

attempts as (
    select * from {{ ref('northflank_restores', 'restore_attempts') }}
),

problems as (
    select
        restore_key,
        addon_key,
        'implausible completedAt' as problem,
        cast(ended_at_as_read as {{ dbt.type_string() }}) as value_as_read,
        'The end counts as not known' as consequence
    from restores
    where ended_at is null and ended_at_as_read is not null
    union all
    select
        restore_key,
        addon_key,
        'implausible restoreTimestamp',
        cast(restore_timestamp_as_read as {{ dbt.type_string() }}),
        'It counts as not known'
    from restores
    where restore_timestamp is null and restore_timestamp_as_read is not null
    union all
    select
        restore_key,
        addon_key,
        problem,
        value_as_read,
        case
            when problem in ('no time', 'dated after as_of') then 'It counts nowhere'
            else 'Its duration counts as not known'
        end
    from (
        select
            restore_key,
            addon_key,
            case
                when counted_at is null then 'no time'
                when counted_at > {{ as_of() }} then 'dated after as_of'
                when ended_at < started_at then 'end before start'
                when duration_minutes is null and ended_at >= started_at
                    then 'shorter than a second'
            end as problem,
            cast(coalesce(ended_at, counted_at) as {{ dbt.type_string() }}) as value_as_read
        from attempts
        where
            counted_at is null
            or counted_at > {{ as_of() }}
            or (duration_minutes is null and started_at is not null and ended_at is not null)
    ) as odd
    union all
    select
        restore_key,
        addon_key,
        'ambiguous source',
        backup_id,
        'It counts for no database'
    from attempts
    where source_basis = 'ambiguous'
    union all
    select
        restore_key,
        addon_key,
        'passed the check, but did not succeed',
        status,
        'The attestation proves nothing'
    from attempts
    where check_result = 'passed' and outcome <> 'succeeded'
)

select
    restore_key || '/' || problem as problem_key,
    restore_key,
    addon_key,
    problem,
    value_as_read,
    consequence
from problems
