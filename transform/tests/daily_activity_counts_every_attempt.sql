-- Nothing is lost on the way from attempts to days.
with days as (
    select
        coalesce(sum(attempts), 0) as attempts,
        coalesce(sum(successes + failures + aborted + running + unknown), 0) as outcomes
    from {{ ref('northflank_restores', 'daily_restore_activity') }}
),

attempts as (
    select count(*) as attempts from {{ ref('northflank_restores', 'restore_attempts') }}
    where counted_at <= {{ as_of() }}
)

select * from days
cross join attempts
where days.attempts <> attempts.attempts or days.outcomes <> attempts.attempts
