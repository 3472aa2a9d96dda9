-- One row an addon: since when its verdict holds, and what it was at the last run and at the end of the
-- last closed quarter.
with changes as (
    select * from {{ ref('northflank_restores', 'verdict_changes') }}
    where seen_at <= {{ as_of() }}
),

moments as (
    select
        (
            select max(runs.as_of)
            from {{ ref('northflank_restores', 'recoverability_runs') }} as runs
            where runs.as_of < {{ as_of() }}
        ) as last_run_at,
        cast({{ quarter_of(as_of()) }} as timestamp) at time zone 'UTC' as quarter_ended_at
),

ranked as (
    select
        changes.*,
        moments.last_run_at,
        moments.quarter_ended_at,
        row_number() over (partition by addon_key order by change_number desc) as nth,
        row_number() over (
            partition by addon_key, seen_at <= moments.last_run_at order by change_number desc
        ) as nth_by_run,
        row_number() over (
            partition by addon_key, seen_at <= moments.quarter_ended_at order by change_number desc
        ) as nth_by_quarter
    from changes
    cross join moments
),

known as (
    select
        addon_key,
        max(case when nth = 1 then seen_at end) as seen_at,
        max(case when nth = 1 then from_verdict end) as from_verdict,
        max(case when nth = 1 then from_reason end) as from_reason,
        max(case when nth = 1 then to_verdict end) as to_verdict,
        max(case when nth = 1 then to_reason end) as to_reason,
        max(case when nth_by_run = 1 and seen_at <= last_run_at then to_verdict end)
            as verdict_at_last_run,
        max(case when nth_by_quarter = 1 and seen_at <= quarter_ended_at then to_verdict end)
            as verdict_at_quarter_end
    from ranked
    group by addon_key
),

-- In a look back a verdict may be another one than that of its time: it is then seen only now.
answers as (
    select
        addons.addon_key,
        addons.team_id,
        addons.project_id,
        addons.verdict,
        addons.verdict_rank,
        addons.needs_action,
        addons.reason,
        case when addons.verdict = known.to_verdict then known.seen_at else {{ as_of() }} end as since,
        case when addons.verdict = known.to_verdict then known.from_verdict else known.to_verdict end
            as from_verdict,
        case when addons.verdict = known.to_verdict then known.from_reason else known.to_reason end
            as from_reason,
        moments.last_run_at,
        known.verdict_at_last_run,
        {{ utc_date('moments.quarter_ended_at') }} as quarter_ended_on,
        known.verdict_at_quarter_end
    from {{ ref('northflank_restores', 'addon_recoverability') }} as addons
    cross join moments
    left join known on addons.addon_key = known.addon_key
)

select
    addon_key,
    team_id,
    project_id,
    verdict,
    verdict_rank,
    needs_action,
    reason,
    since,
    from_verdict,
    from_reason,
    {{ is_worse('from_verdict', 'verdict') }} as is_worse,
    last_run_at,
    verdict_at_last_run,
    verdict <> verdict_at_last_run as changed_since_last_run,
    {{ is_worse('verdict_at_last_run', 'verdict') }} as worse_since_last_run,
    quarter_ended_on,
    verdict_at_quarter_end,
    verdict <> verdict_at_quarter_end as changed_since_quarter,
    {{ is_worse('verdict_at_quarter_end', 'verdict') }} as worse_since_quarter,
    {{ as_of() }} as as_of
from answers
