-- One row an addon: is there a backup, can it be restored, when was that last proven, how long does it
-- take. What was restored elsewhere counts for the addon whose backup it was.
with attempts as (
    select
        source_addon_key,
        addon_key,
        source_basis,
        outcome,
        is_proof,
        check_result,
        counted_at,
        restore_key,
        restore_id,
        backup_id,
        backup_name,
        backup_age_hours,
        duration_minutes,
        within_target
    from {{ ref('northflank_restores', 'restore_attempts') }}
    where counted_at <= {{ as_of() }} and source_addon_key is not null
),

ranked as (
    select
        *,
        row_number() over (
            partition by source_addon_key, is_proof order by counted_at desc, restore_key desc
        ) as nth_proof,
        row_number() over (
            partition by source_addon_key, is_proof, duration_minutes is not null
            order by counted_at desc, restore_key desc
        ) as nth_measured,
        -- Of two at the same instant, the failed one counts.
        row_number() over (
            partition by source_addon_key, outcome in ('succeeded', 'failed')
            order by counted_at desc, outcome asc, restore_key desc
        ) as nth_finished,
        row_number() over (
            partition by source_addon_key order by counted_at desc, restore_key desc
        ) as nth,
        max(case when outcome = 'succeeded' then counted_at end) over (
            partition by source_addon_key
        ) as success_at
    from attempts
),

counts as (
    select
        source_addon_key as addon_key,
        count(*) as attempts,
        count(case when outcome = 'running' then 1 end) as running,
        max(case when nth = 1 then counted_at end) as last_attempt_at,
        max(case when nth = 1 then outcome end) as last_attempt_outcome,
        max(case when nth_finished = 1 and outcome in ('succeeded', 'failed') then outcome end)
            as last_finished_outcome,
        max(case when nth_finished = 1 and outcome in ('succeeded', 'failed') then check_result end)
            as last_finished_check,
        max(success_at) as last_restored_at,
        max(case when outcome = 'failed' then counted_at end) as last_failure_at,
        sum(
            case
                when outcome = 'failed' and coalesce(counted_at >= success_at, true) then 1
                else 0
            end
        ) as failures_since_success,
        {%- for days in (90, 365) %}
        {%- set inside = "counted_at > " ~ days_ago(days) %}
        count(case when {{ inside }} then 1 end) as attempts_{{ days }}d,
        count(case when {{ inside }} and outcome = 'succeeded' then 1 end)
            as successes_{{ days }}d,
        count(case when {{ inside }} and outcome = 'failed' then 1 end)
            as failures_{{ days }}d,
        {%- endfor %}
        {%- set measured = "case when outcome = 'succeeded' and counted_at > "
            ~ days_ago(365) ~ " then duration_minutes end" %}
        count({{ measured }}) as measured_365d,
        {{ percentile(0.5, measured) }} as median_minutes_365d,
        {{ percentile(0.95, measured) }} as p95_minutes_365d
    from ranked
    group by source_addon_key
),

last_success as (
    select * from ranked
    where is_proof and nth_proof = 1
),

-- What the duration is judged by: the last success that has one; below, unless it is overdue itself.
last_measured as (
    select * from ranked
    where is_proof and duration_minutes is not null and nth_measured = 1
),

-- What may be missed under 'never tested'.
not_counted as (
    select
        addon_key,
        count(*) as not_counted
    from {{ ref('northflank_restores', 'restore_attempts') }}
    where counted_at is null or counted_at > {{ as_of() }} or source_addon_key is null
    group by addon_key
),

rules as (
    select * from {{ ref('northflank_restores', 'int_northflank__policy_periods') }}
    where valid_from <= {{ as_of() }} and valid_to > {{ as_of() }}
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
            {{ dbt.datediff(utc_date('last_success.counted_at'), utc_date(as_of()), 'day') }}
            as integer
        ) as days_since_success,
        last_success.restore_id as last_success_restore_id,
        last_success.addon_key as last_success_restored_into,
        last_success.source_basis as last_success_source_basis,
        last_success.backup_id as last_success_backup_id,
        last_success.backup_name as last_success_backup_name,
        last_success.backup_age_hours as last_success_backup_age_hours,
        last_success.duration_minutes as last_success_minutes,
        last_success.within_target as last_success_within_target,
        counts.last_attempt_at,
        counts.last_attempt_outcome,
        counts.last_finished_outcome,
        counts.last_finished_check,
        counts.last_restored_at,
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
        cast(rules.rto_minutes as numeric(18, 3)) as target_minutes,
        cast(rules.drill_interval_days as numeric(18, 3)) as drill_interval_days,
        rules.rule,
        rules.owner,
        coalesce(rules.in_scope, drills.addon_key is null) as in_scope,
        coalesce(rules.waiver_until >= {{ utc_date(as_of()) }}, false) as is_waived,
        rules.waiver_reason,
        rules.waiver_until,
        drills.addon_key is not null as is_drill_addon,
        drills.is_declared as is_declared_drill,
        drills.source_addon_key as drill_source_addon_key,
        drills.sources as drill_sources,
        case
            when
                {{ minutes_between('last_measured.counted_at', as_of()) }}
                <= rules.drill_interval_days * 1440
                then last_measured.duration_minutes
        end as judged_minutes,
        coalesce(
            {{ minutes_between('last_success.counted_at', as_of()) }}
            > rules.drill_interval_days * 1440,
            true
        ) as is_overdue,
        {{ utc_date(
            "last_success.counted_at + interval '1 minute' * cast("
            ~ "rules.drill_interval_days * 1440 as integer)") }} as next_drill_due_on,
        counts.failures_since_success,
        coalesce(not_counted.not_counted, 0) as not_counted,
        addons.known_since,
        backups.is_known as backups_known,
        backups.newest_backup_at,
        backups.newest_age_hours as newest_backup_age_hours,
        backups.rpo_hours,
        backups.has_no_backup,
        backups.is_stale as backup_is_stale,
        backups.failures_30d as backup_failures_30d,
        backups.backups_read_at
    from {{ ref('northflank_restores', 'int_northflank__addons') }} as addons
    left join counts on addons.addon_key = counts.addon_key
    left join last_success on addons.addon_key = last_success.source_addon_key
    left join last_measured on addons.addon_key = last_measured.source_addon_key
    left join not_counted on addons.addon_key = not_counted.addon_key
    left join rules on addons.addon_key = rules.addon_key
    left join {{ ref('northflank_restores', 'int_northflank__drill_addons') }} as drills
        on addons.addon_key = drills.addon_key
    left join {{ ref('northflank_restores', 'backup_status') }} as backups
        on addons.addon_key = backups.addon_key
),

-- The worst first: the first line that holds is the verdict.
judged as (
    select
        *,
        case
            when not is_current then 'deleted'
            when not in_scope then 'out of scope'
            when is_waived then 'waived'
            when has_no_backup then 'no backup'
            when backup_is_stale then 'stale backup'
            when last_finished_outcome is null then 'never tested'
            when last_finished_outcome = 'failed' then 'failing'
            when is_overdue and coalesce(last_restored_at > last_success_at, true)
                then 'not validated'
            when is_overdue then 'overdue'
            when judged_minutes > target_minutes then 'slow'
            else 'proven'
        end as verdict
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
    verdict,
    {{ verdict_rank('verdict') }} as verdict_rank,
    {{ needs_action('verdict') }} as needs_action,
    case verdict
        when 'no backup' then
            'No completed backup is listed'
            || case
                when backup_failures_30d > 0 then
                    '; failed in 30 days: ' || cast(backup_failures_30d as {{ dbt.type_string() }})
                else ''
            end
        when 'stale backup' then
            'No backup completed since '
            || cast({{ utc_date('newest_backup_at') }} as {{ dbt.type_string() }})
            || '; failed in 30 days: '
            || cast(coalesce(backup_failures_30d, 0) as {{ dbt.type_string() }})
        when 'never tested' then
            case
                when attempts > 0 then
                    'No restore came to an end: ' || cast(attempts as {{ dbt.type_string() }})
                    || ' on record, ' || cast(running as {{ dbt.type_string() }}) || ' running'
                when not_counted > 0 then
                    'No restore that counts; not counted: ' || cast(not_counted as {{ dbt.type_string() }})
                    || ', see data_problems'
                else 'No restore on record'
            end
        when 'failing' then
            'Failed on '
            || cast({{ utc_date('last_failure_at') }} as {{ dbt.type_string() }})
            || ', failures since the last success: '
            || cast(failures_since_success as {{ dbt.type_string() }})
            || case when last_finished_check = 'failed' then '; its data did not pass the check' else '' end
        when 'not validated' then
            'Restored on '
            || cast({{ utc_date('last_restored_at') }} as {{ dbt.type_string() }})
            || ', and no check of its data is attested'
        when 'overdue' then
            'Due since ' || cast(next_drill_due_on as {{ dbt.type_string() }})
        when 'slow' then
            -- A second too long is not to read '0 min over the target'.
            {{ minutes_text('greatest(judged_minutes - target_minutes, 0.1)') }}
            || ' over the target'
        when 'proven' then
            'Next drill due by ' || cast(next_drill_due_on as {{ dbt.type_string() }})
            || case when judged_minutes is null then ', duration not known' else '' end
            || case
                when last_success_restored_into <> addon_key
                    then ', restored into ' || last_success_restored_into
                else ''
            end
        when 'waived' then
            'Waived until ' || cast(waiver_until as {{ dbt.type_string() }}) || ': ' || coalesce(waiver_reason, '')
        when 'out of scope' then
            case
                when is_drill_addon and drill_sources > 1 then 'Drill addon of several databases'
                when is_drill_addon then
                    'Drill addon of ' || coalesce(drill_source_addon_key, 'no known database')
                else 'By the rule ' || rule
            end
        else 'No longer in the account'
    end as reason,
    last_success_at,
    days_since_success,
    is_overdue,
    next_drill_due_on,
    last_success_restore_id,
    last_success_restored_into,
    last_success_source_basis,
    last_success_backup_id,
    last_success_backup_name,
    last_success_backup_age_hours,
    last_success_minutes,
    last_success_within_target,
    last_restored_at,
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
    drill_interval_days,
    rule,
    owner,
    in_scope,
    is_drill_addon,
    waiver_until,
    known_since,
    backups_known,
    newest_backup_at,
    newest_backup_age_hours,
    rpo_hours,
    {{ as_of() }} as as_of
from judged
