-- One row an addon and quarter since the addon is known: was it restored, wherever that was, when, from
-- which backup, in what time. Each quarter is judged by the rule of its time.
with recursive addons as (
    select * from {{ ref('northflank_restores', 'addon_recoverability') }}
),

attempts as (
    select
        source_addon_key,
        addon_key,
        source_basis,
        restore_key,
        restore_id,
        backup_id,
        backup_name,
        outcome,
        is_proof,
        started_at,
        ended_at,
        counted_at,
        duration_minutes,
        target_minutes,
        within_target,
        rule,
        cast({{ dbt.date_trunc('quarter', 'cast(counted_on as timestamp)') }} as date)
            as quarter_start,
        row_number() over (
            partition by
                source_addon_key,
                is_proof,
                {{ dbt.date_trunc('quarter', 'cast(counted_on as timestamp)') }}
            order by counted_at desc, restore_key desc
        ) as nth_proof
    from {{ ref('northflank_restores', 'restore_attempts') }}
    where counted_at <= {{ as_of() }} and source_addon_key is not null
),

-- From when an addon is known to its last sign (a restore of it, a listing).
signs as (
    select
        source_addon_key as addon_key,
        counted_at as seen_at
    from attempts
    union all
    select
        addon_key,
        known_since as seen_at
    from addons
    union all
    select
        addon_key,
        case
            when is_current or last_seen_at is null or last_seen_at > as_of then as_of
            else last_seen_at
        end as seen_at
    from addons
),

spans as (
    select
        addon_key,
        cast(
            {{ dbt.date_trunc('quarter', 'cast(' ~ utc_date('min(seen_at)') ~ ' as timestamp)') }}
            as date
        ) as first_quarter,
        cast(
            {{ dbt.date_trunc('quarter', 'cast(' ~ utc_date('max(seen_at)') ~ ' as timestamp)') }}
            as date
        ) as last_quarter
    from signs
    group by addon_key
),

quarters as (
    select
        min(first_quarter) as quarter_start,
        max(last_quarter) as last_quarter
    from spans
    having count(*) > 0
    union all
    select
        cast({{ dbt.dateadd('month', 3, 'quarter_start') }} as date) as quarter_start,
        last_quarter
    from quarters
    where quarter_start < last_quarter
),

counts as (
    select
        source_addon_key as addon_key,
        quarter_start,
        count(*) as attempts,
        count(case when outcome = 'succeeded' then 1 end) as successes,
        count(case when outcome = 'failed' then 1 end) as failures
    from attempts
    group by source_addon_key, quarter_start
),

proofs as (
    select * from attempts
    where is_proof and nth_proof = 1
),

evidence as (
    select
        addons.addon_key,
        addons.team_id,
        addons.project_id,
        addons.project_name,
        addons.addon_id,
        addons.addon_name,
        addons.database_type,
        addons.is_current,
        cast(cast(extract(year from quarters.quarter_start) as integer) as {{ dbt.type_string() }})
        || '-Q'
        || cast(
            cast(extract(quarter from quarters.quarter_start) as integer)
            as {{ dbt.type_string() }}
        ) as quarter,
        quarters.quarter_start,
        {{ utc_date(as_of()) }}
        >= cast({{ dbt.dateadd('month', 3, 'quarters.quarter_start') }} as date) as is_over,
        proofs.restore_key is not null as tested,
        proofs.counted_at as tested_at,
        proofs.restore_key,
        proofs.restore_id,
        proofs.addon_key as restored_into,
        proofs.source_basis,
        proofs.backup_id,
        proofs.backup_name,
        proofs.started_at,
        proofs.ended_at,
        proofs.duration_minutes,
        coalesce(proofs.target_minutes, periods.rto_minutes) as target_minutes,
        proofs.within_target,
        coalesce(proofs.rule, periods.rule) as rule,
        coalesce(periods.in_scope, drills.addon_key is null) as in_scope,
        coalesce(periods.waiver_until >= quarters.quarter_start, false) as is_waived,
        coalesce(counts.attempts, 0) as attempts,
        coalesce(counts.successes, 0) as successes,
        coalesce(counts.failures, 0) as failures
    from addons
    inner join spans on addons.addon_key = spans.addon_key
    inner join quarters
        on quarters.quarter_start between spans.first_quarter and spans.last_quarter
    left join counts
        on
            addons.addon_key = counts.addon_key
            and quarters.quarter_start = counts.quarter_start
    left join {{ ref('northflank_restores', 'int_northflank__policy_periods') }} as periods
        on
            addons.addon_key = periods.addon_key
            and {{ period_of_quarter() }} > periods.valid_from
            and {{ period_of_quarter() }} <= periods.valid_to
    left join {{ ref('northflank_restores', 'int_northflank__drill_addons') }} as drills
        on addons.addon_key = drills.addon_key
    left join proofs
        on
            addons.addon_key = proofs.source_addon_key
            and quarters.quarter_start = proofs.quarter_start
)

select
    addon_key || '/' || quarter as evidence_key,
    addon_key,
    team_id,
    project_id,
    project_name,
    addon_id,
    addon_name,
    database_type,
    is_current,
    quarter,
    quarter_start,
    is_over,
    tested,
    case
        when not in_scope then 'out of scope'
        when within_target then 'within target'
        when not within_target then 'over target'
        when tested then 'time not known'
        when is_waived then 'waived'
        when successes > 0 then 'not validated'
        when failures > 0 then 'only failures'
        when is_over then 'not tested'
        else 'not yet'
    end as evidence,
    tested_at,
    restore_key,
    restore_id,
    restored_into,
    source_basis,
    backup_id,
    backup_name,
    started_at,
    ended_at,
    duration_minutes,
    target_minutes,
    within_target,
    rule,
    attempts,
    successes,
    failures
from evidence
-- Nobody can restore a deleted addon in what is left of a quarter.
where is_current or is_over or attempts > 0
