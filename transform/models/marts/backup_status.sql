-- One row an addon: its newest backup, how old that is, how well backups succeed, and whether as many
-- are made as the schedules ask for. What was not read is null, not zero.
{% set week = "created_at > " ~ days_ago(7) %}
{% set month = "created_at > " ~ days_ago(30) %}
{% set newest_minutes = minutes_between('counts.newest_backup_at', as_of()) %}
-- A backup whose status is not known may be complete. Where it would be the newest and within the RPO,
-- nobody can say; beyond the RPO it makes no difference.
{% set sure = "(counts.newest_has_status or " ~ newest_minutes ~ " > periods.rpo_hours * 60)" %}
{% set slot = from_utc('(' ~ dbt.dateadd('minute', 'at_minute', 'hour_start') ~ ')') %}
with addons as (
    select * from {{ ref('northflank_restores', 'int_northflank__addons') }}
),

loaded as (
    select * from {{ ref('northflank_restores', 'stg_northflank__backups') }}
),

-- When the backups of each team were last read: an addon that was there by then has no others.
reads as (
    select
        coalesce(addons.team_id, '') as team_id,
        max(coalesce(loaded.synced_at, loaded.loaded_at)) as read_at,
        count(*) as backups,
        count(loaded.status) as of_known_status
    from loaded
    inner join addons on loaded.addon_key = addons.addon_key
    group by coalesce(addons.team_id, '')
),

backups as (
    select
        *,
        coalesce(status, 'completed') = 'completed' as may_count,
        row_number() over (
            partition by addon_key, coalesce(status, 'completed') = 'completed'
            order by created_at desc nulls last, backup_id desc
        ) as nth
    from loaded
    where created_at <= {{ as_of() }} or created_at is null
),

counts as (
    select
        addon_key,
        count(*) as listed,
        max(case when may_count and nth = 1 then created_at end) as newest_backup_at,
        max(case when may_count and nth = 1 then backup_id end) as newest_backup_id,
        max(case when may_count and nth = 1 then size_bytes end) as newest_size_bytes,
        count(case when may_count and nth = 1 and status is null then 1 end) = 0
            as newest_has_status,
        count(case when may_count and created_at is null then 1 end) as undated,
        avg(case when status = 'completed' and {{ week }} then size_bytes end) as size_7d,
        avg(case when status = 'completed' and {{ month }} and not {{ week }} then size_bytes end)
            as size_before,
        count(case when status = 'completed' and {{ month }} then 1 end) as successes_30d,
        count(case when status in ('failed', 'not-supported') and {{ month }} then 1 end)
            as failures_30d,
        count(case when {{ week }} then 1 end) as made_7d,
        count(distinct coalesce(destination_id, 'northflank')) as destinations
    from backups
    group by addon_key
),

schedules as (
    select
        *,
        {% for name in ('minutes_list', 'hours_list', 'days_list') -%}
        ',' || replace(replace(replace({{ name }}, ' ', ''), '[', ''), ']', '') || ','
            as {{ name }}_in
        {{- "," if not loop.last }}
        {% endfor %}
    from {{ ref('northflank_restores', 'stg_northflank__backup_schedules') }}
),

numbers as (
    select n
    from ({{ numbers_below(2) }}) as below_200
    where n < 192
),

-- The hours from eight days ago on; the slots of the last seven days are picked below.
hours as (
    select
        {{ dbt.dateadd('hour', 'n - 191', dbt.date_trunc(
            'hour', clock_utc(as_of()))) }} as hour_start
    from numbers
),

minutes as (
    select
        schedules.addon_key,
        schedules.schedule_key,
        numbers.n as at_minute
    from schedules
    inner join numbers
        on
            numbers.n < 60
            and schedules.minutes_list_in like '%,' || cast(numbers.n as {{ text_type() }}) || ',%'
),

-- Schedules that fall on the same minute make one backup.
slots as (
    select distinct
        schedules.addon_key,
        schedules.backup_type,
        hours.hour_start,
        minutes.at_minute
    from schedules
    inner join minutes on schedules.schedule_key = minutes.schedule_key
    inner join hours
        on (
            schedules.schedule_interval = 'hourly'
            or (
                schedules.hours_list_in like '%,' || cast(
                    cast(extract(hour from hours.hour_start) as integer) as {{ text_type() }}
                ) || ',%'
                and (
                    schedules.schedule_interval = 'daily'
                    or (
                        schedules.schedule_interval = 'weekly'
                        -- Northflank's week begins with Monday, 0.
                        and schedules.days_list_in like '%,' || cast(
                            {{ weekday('hours.hour_start') }} as {{ text_type() }}
                        ) || ',%'
                    )
                )
            )
        )
    where
        schedules.created_at is null
        or hours.hour_start >= {{ clock_utc('schedules.created_at') }}
),

expected as (
    select
        addon_key,
        count(*) as expected_7d
    from slots
    where
        {{ slot }} > {{ days_ago(7) }}
        and {{ slot }} <= {{ as_of() }}
    group by addon_key
),

retention as (
    select
        addon_key,
        count(*) as schedules,
        max(retention_days) as retention_days
    from schedules
    group by addon_key
),

schedule_reads as (
    select count(*) > 0 as any_schedule from schedules
),

periods as (
    select * from {{ ref('northflank_restores', 'int_northflank__policy_periods') }}
    where valid_from <= {{ as_of() }} and valid_to > {{ as_of() }}
),

answers as (
    select
        addons.addon_key,
        addons.team_id,
        addons.project_id,
        addons.addon_id,
        addons.is_current,
        periods.rule,
        reads.read_at as backups_read_at,
        -- Known: the team's backups were read, with their status; by then the addon was there; and no
        -- backup that was made since, or has no time, could be the newest and within the target.
        coalesce(
            reads.of_known_status > 0
            and coalesce(reads.read_at >= addons.known_since, true)
            and coalesce(
                {{ minutes_between('reads.read_at', as_of()) }} <= periods.rpo_hours * 60, true
            )
            and coalesce(counts.undated, 0) = 0
            and coalesce({{ sure }}, true),
            false
        ) as is_known,
        case when {{ sure }} then counts.newest_backup_at end as newest_backup_at,
        case when {{ sure }} then counts.newest_backup_id end as newest_backup_id,
        {{ number_begin() }}
            case when {{ sure }} then {{ newest_minutes }} end / 60
        {{ number_end(1) }} as newest_age_hours,
        {{ number_begin() }}periods.rpo_hours{{ number_end(1) }} as rpo_hours,
        case when reads.backups > 0 then coalesce(counts.listed, 0) end as listed,
        case when reads.backups > 0 then coalesce(counts.successes_30d, 0) end as successes_30d,
        case when reads.backups > 0 then coalesce(counts.failures_30d, 0) end as failures_30d,
        {{ number_begin() }}
            counts.successes_30d * 1.0 / nullif(counts.successes_30d + counts.failures_30d, 0)
        {{ number_end(4) }} as success_rate_30d,
        case when schedule_reads.any_schedule then coalesce(expected.expected_7d, 0) end
            as expected_7d,
        case when reads.backups > 0 then coalesce(counts.made_7d, 0) end as made_7d,
        case when schedule_reads.any_schedule then coalesce(retention.schedules, 0) end as schedules,
        retention.retention_days,
        case when {{ sure }} then counts.newest_size_bytes end as newest_size_bytes,
        {{ number_begin() }}counts.size_7d / nullif(counts.size_before, 0){{ number_end(3) }} as size_trend,
        counts.destinations
    from addons
    cross join schedule_reads
    left join reads on coalesce(addons.team_id, '') = reads.team_id
    left join counts on addons.addon_key = counts.addon_key
    left join expected on addons.addon_key = expected.addon_key
    left join retention on addons.addon_key = retention.addon_key
    left join periods on addons.addon_key = periods.addon_key
)

select
    *,
    case when is_known then newest_backup_at is null end as has_no_backup,
    case
        when newest_age_hours <= rpo_hours then false
        when is_known then coalesce(newest_age_hours > rpo_hours, false)
    end as is_stale
from answers
