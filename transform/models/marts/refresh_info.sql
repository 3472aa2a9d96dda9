-- One row: what the other marts were computed for and from. Reports state it. It is made last, so
-- that what a run leaves that fails half-way is not taken for a whole:
-- depends_on: {{ ref('northflank_restores', 'addon_recoverability') }}
-- depends_on: {{ ref('northflank_restores', 'restore_drill_evidence') }}
-- depends_on: {{ ref('northflank_restores', 'restores_by_day') }}
-- depends_on: {{ ref('northflank_restores', 'restore_durations') }}
-- depends_on: {{ ref('northflank_restores', 'restore_policy_periods') }}
-- depends_on: {{ ref('northflank_restores', 'restore_policy_rules') }}
-- depends_on: {{ ref('northflank_restores', 'data_problems') }}
-- depends_on: {{ ref('northflank_restores', 'evidence_changes') }}
-- depends_on: {{ ref('northflank_restores', 'addon_verdicts') }}
-- depends_on: {{ ref('northflank_restores', 'attestations') }}
-- depends_on: {{ ref('northflank_restores', 'completeness') }}
with loads as (
    select
        greatest(
            max(last_read_at),
            (
                select max(loaded_at)
                from {{ ref('northflank_restores', 'stg_northflank__restores') }}
            )
        ) as loaded_at,
        max(case when stream = 'backups' then last_read_at end) as backups_read_at,
        count(case when stream = 'backups' then 1 end) > 0 as backups_loaded
    from {{ ref('northflank_restores', 'load_freshness') }}
),

attempts as (
    select
        count(*) as attempts,
        count(case when source_basis = 'ambiguous' then 1 end) as ambiguous_attempts,
        count(case when counted_at is null then 1 end) as undated_attempts,
        count(case when counted_at > {{ as_of() }} then 1 end) as later_attempts
    from {{ ref('northflank_restores', 'restore_attempts') }}
)

select
    {{ as_of() }} as as_of,
    cast('{{ run_started_at.isoformat() }}' as {{ timestamp_utc() }}) as refreshed_at,
    loads.loaded_at,
    loads.backups_loaded,
    '{{ target.type }}' as engine,
    '{{ target.database }}' as database_name,
    '{{ table_of('restores').schema }}' as source_schema,
    attempts.attempts,
    attempts.ambiguous_attempts,
    attempts.undated_attempts,
    attempts.later_attempts,
    cast({{ var('rto_minutes') }} as numeric(18, 3)) as default_target_minutes,
    cast({{ var('overdue_after_days') }} as integer) as overdue_after_days,
    cast({{ var('rpo_hours') }} as numeric(18, 3)) as default_rpo_hours,
    '{{ var('restore_timestamp') }}' as restore_timestamp,
    cast('{{ var('plausible_since') }}' as date) as plausible_since,
    '{{ package_version() }}' as package_version,
    '{{ dbt_version }}' as dbt_version
from attempts
cross join loads
