-- One row an addon: can it be restored, when was that last proven, how long does it take.
with attempts as (
    select * from {{ ref('restore_attempts') }}
    where counted_at <= {{ as_of() }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by addon_key, outcome order by counted_at desc, restore_id desc
        ) as nth_of_outcome,
        row_number() over (
            partition by addon_key, outcome, duration_minutes is not null
            order by counted_at desc, restore_id desc
        ) as nth_measured,
        -- Of two at the same instant, the failed one counts.
        row_number() over (
            partition by addon_key, outcome in ('succeeded', 'failed')
            order by counted_at desc, outcome asc, restore_id desc
        ) as nth_finished,
        row_number() over (
            partition by addon_key order by counted_at desc, restore_id desc
        ) as nth
    from attempts
),

counts as (
    select
        addon_key,
        count(*) as attempts,
        sum(case when outcome = 'running' then 1 else 0 end) as running,
        max(case when nth = 1 then counted_at end) as last_attempt_at,
        max(case when nth = 1 then outcome end) as last_attempt_outcome,
        max(case when nth_finished = 1 and outcome in ('succeeded', 'failed') then outcome end)
            as last_finished_outcome,
        max(case when outcome = 'failed' then counted_at end) as last_failure_at,
        {%- for days in (90, 365) %}
        {%- set inside = "counted_at > " ~ days_ago(days) %}
        sum(case when {{ inside }} then 1 else 0 end) as attempts_{{ days }}d,
        sum(case when {{ inside }} and outcome = 'succeeded' then 1 else 0 end)
            as successes_{{ days }}d,
        sum(case when {{ inside }} and outcome = 'failed' then 1 else 0 end)
            as failures_{{ days }}d,
        {%- endfor %}
        {%- set measured = "case when outcome = 'succeeded' and counted_at > "
            ~ days_ago(365) ~ " then duration_minutes end" %}
        count({{ measured }}) as measured_365d,
        {{ percentile(0.5, measured) }} as median_minutes_365d,
        {{ percentile(0.95, measured) }} as p95_minutes_365d
    from ranked
    group by addon_key
),

last_success as (
    select * from ranked
    where outcome = 'succeeded' and nth_of_outcome = 1
),

-- What the duration is judged by: the last success that has one and is not overdue itself.
last_measured as (
    select * from ranked
    where
        outcome = 'succeeded'
        and duration_minutes is not null
        and nth_measured = 1
        and counted_at >= {{ days_ago(var('overdue_after_days')) }}
),

answers as (
    select
        addons.addon_key,
        addons.team_id,
        addons.project_id,
        addons.project_name,
        addons.addon_id,
        addons.addon_name,
        addons.database_type,
        addons.addon_status,
        addons.is_current,
        addons.last_seen_at,
        last_success.counted_at as last_success_at,
        cast(
            floor({{ minutes_between('last_success.counted_at', as_of()) }} / 1440) as integer
        ) as days_since_success,
        last_success.restore_id as last_success_restore_id,
        last_success.backup_id as last_success_backup_id,
        last_success.backup_name as last_success_backup_name,
        last_success.duration_minutes as last_success_minutes,
        last_success.within_target as last_success_within_target,
        counts.last_attempt_at,
        counts.last_attempt_outcome,
        counts.last_finished_outcome,
        counts.last_failure_at,
        coalesce(counts.attempts, 0) as attempts,
        coalesce(counts.running, 0) as running,
        {%- for days in (90, 365) %}
        coalesce(counts.attempts_{{ days }}d, 0) as attempts_{{ days }}d,
        coalesce(counts.successes_{{ days }}d, 0) as successes_{{ days }}d,
        coalesce(counts.failures_{{ days }}d, 0) as failures_{{ days }}d,
        cast(
            counts.successes_{{ days }}d * 1.0
            / nullif(counts.successes_{{ days }}d + counts.failures_{{ days }}d, 0)
            as numeric(18, 4)
        ) as success_rate_{{ days }}d,
        {%- endfor %}
        coalesce(counts.measured_365d, 0) as measured_365d,
        counts.median_minutes_365d,
        counts.p95_minutes_365d,
        cast(
            coalesce(targets.rto_minutes, {{ var('rto_minutes') }}) as numeric(18, 3)
        ) as target_minutes,
        targets.rto_minutes is not null as has_own_target,
        last_measured.duration_minutes as judged_minutes,
        coalesce(last_success.counted_at < {{ days_ago(var('overdue_after_days')) }}, true)
            as is_overdue
    from {{ ref('addon_directory') }} as addons
    left join counts on addons.addon_key = counts.addon_key
    left join last_success on addons.addon_key = last_success.addon_key
    left join last_measured on addons.addon_key = last_measured.addon_key
    left join {{ ref('addon_targets') }} as targets
        on
            addons.project_id = targets.project_id
            and addons.addon_id = targets.addon_id
),

-- The worst first: the first line that holds is the verdict.
judged as (
    select
        *,
        case
            when last_finished_outcome is null then 1
            when last_finished_outcome = 'failed' then 2
            when is_overdue then 3
            when judged_minutes > target_minutes then 4
            else 5
        end as verdict_rank
    from answers
)

select
    addon_key,
    team_id,
    project_id,
    project_name,
    addon_id,
    addon_name,
    database_type,
    addon_status,
    is_current,
    last_seen_at,
    case verdict_rank
        when 1 then 'never tested'
        when 2 then 'failing'
        when 3 then 'overdue'
        when 4 then 'slow'
        else 'proven'
    end as verdict,
    verdict_rank,
    case verdict_rank
        when 1 then
            case
                when attempts = 0 then 'No restore on record'
                else
                    'No restore came to an end: ' || cast(attempts as {{ dbt.type_string() }})
                    || ' on record, ' || cast(running as {{ dbt.type_string() }}) || ' running'
            end
        when 2 then
            'Last attempt failed on '
            || cast({{ utc_date('last_failure_at') }} as {{ dbt.type_string() }})
            || case
                when last_success_at is null then ', never restored'
                else
                    ', last restored on '
                    || cast({{ utc_date('last_success_at') }} as {{ dbt.type_string() }})
            end
        when 3 then
            'Last restored on '
            || cast({{ utc_date('last_success_at') }} as {{ dbt.type_string() }})
            || ', more than {{ var("overdue_after_days") }} days ago'
        when 4 then
            -- A second too long is not to read 'Took 60 min, target 60 min'.
            'Took ' || {{ minutes_text('greatest(judged_minutes, target_minutes + 0.1)') }}
            || ', target ' || {{ minutes_text('target_minutes') }}
        else
            'Restored on '
            || cast({{ utc_date('last_success_at') }} as {{ dbt.type_string() }})
            || case
                when judged_minutes is null then ', time not known'
                else
                    ' in ' || {{ minutes_text('judged_minutes') }}
                    || ', target ' || {{ minutes_text('target_minutes') }}
            end
    end as reason,
    last_success_at,
    days_since_success,
    is_overdue,
    last_success_restore_id,
    last_success_backup_id,
    last_success_backup_name,
    last_success_minutes,
    last_success_within_target,
    last_attempt_at,
    last_attempt_outcome,
    attempts,
    running,
    attempts_90d,
    successes_90d,
    failures_90d,
    success_rate_90d,
    attempts_365d,
    successes_365d,
    failures_365d,
    success_rate_365d,
    measured_365d,
    median_minutes_365d,
    p95_minutes_365d,
    target_minutes,
    has_own_target,
    {{ as_of() }} as as_of
from judged
