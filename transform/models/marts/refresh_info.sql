-- One row: what the other marts were computed for and from. Reports state it. It is made last, so
-- that what a run leaves that fails half-way is not taken for a whole:
-- depends_on: {{ ref('addon_recoverability') }}
-- depends_on: {{ ref('restore_drill_evidence') }}
-- depends_on: {{ ref('daily_restore_activity') }}
with loads as (
    select loaded_at from {{ ref('stg_projects') }}
    union all
    select loaded_at from {{ ref('stg_addons') }}
    union all
    select loaded_at from {{ ref('stg_backups') }}
    union all
    select loaded_at from {{ ref('stg_restores') }}
),

attempts as (
    select
        count(*) as attempts,
        count(case when counted_at is null then 1 end) as undated_attempts,
        count(case when counted_at > {{ as_of() }} then 1 end) as later_attempts
    from {{ ref('restore_attempts') }}
)

select
    {{ as_of() }} as as_of,
    cast('{{ run_started_at.isoformat() }}' as {{ timestamp_utc() }}) as refreshed_at,
    (select max(loaded_at) from loads) as loaded_at,
    '{{ target.type }}' as engine,
    '{{ target.database }}' as database_name,
    '{{ source("northflank", "restores").schema }}' as source_schema,
    attempts.attempts,
    attempts.undated_attempts,
    attempts.later_attempts,
    cast({{ var('rto_minutes') }} as numeric(18, 3)) as default_target_minutes,
    cast({{ var('overdue_after_days') }} as integer) as overdue_after_days
from attempts
