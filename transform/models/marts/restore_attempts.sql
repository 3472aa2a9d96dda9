-- One row a restore. Each run computes them all and writes those that are new or differ, so the
-- table equals a full refresh: also after a late row, a renamed addon or a changed target. What is
-- no longer in the source goes at the end (`not exists`, as `not in` takes a quadratic time).
{{ config(
    materialized='incremental',
    unique_key='restore_key',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    indexes=[{'columns': ['restore_key'], 'unique': true}, {'columns': ['addon_key']}],
    post_hook="delete from {{ this }} where not exists (
        select 1 from {{ ref('stg_restores') }} as restores
        where restores.restore_key = {{ this }}.restore_key
    )",
) }}

with restores as (
    select * from {{ ref('stg_restores') }}
),

backups as (
    select * from {{ ref('stg_backups') }}
),

backups_loaded as (
    select count(*) > 0 as any_backup from backups
),

joined as (
    select
        restores.restore_key,
        restores.addon_key,
        restores.team_id,
        restores.project_id,
        addons.project_name,
        restores.addon_id,
        addons.addon_name,
        addons.database_type,
        restores.restore_id,
        restores.backup_id,
        backups.backup_name,
        backups.created_at as backup_created_at,
        case when backups_loaded.any_backup then backups.backup_id is not null end
            as backup_known,
        restores.status,
        case
            when restores.status = 'completed' then 'succeeded'
            when restores.status in ('failed', 'not-supported') then 'failed'
            when restores.status = 'aborted' then 'aborted'
            when restores.status in ('scheduled', 'in-progress', 'aborting') then 'running'
            else 'unknown'
        end as outcome,
        restores.started_at,
        restores.ended_at,
        -- Equal times are no measurement, and an end before the start is none either.
        case
            when restores.ended_at > restores.started_at
                then cast(
                    {{ minutes_between('restores.started_at', 'restores.ended_at') }}
                    as numeric(18, 3)
                )
        end as duration_minutes,
        coalesce(
            targets.rto_minutes, {{ var('rto_minutes') }}
        ) as target_minutes
    from restores
    inner join {{ ref('addon_directory') }} as addons on restores.addon_key = addons.addon_key
    left join backups
        on
            restores.addon_key = backups.addon_key
            and restores.backup_id = backups.backup_id
    left join {{ ref('addon_targets') }} as targets
        on
            restores.project_id = targets.project_id
            and restores.addon_id = targets.addon_id
    cross join backups_loaded
),

attempts as (
    select
        restore_key,
        addon_key,
        team_id,
        project_id,
        project_name,
        addon_id,
        addon_name,
        database_type,
        restore_id,
        backup_id,
        backup_name,
        backup_created_at,
        backup_known,
        status,
        outcome,
        outcome = 'running' as is_running,
        started_at,
        ended_at,
        coalesce(ended_at, started_at) as counted_at,
        {{ utc_date('coalesce(ended_at, started_at)') }} as counted_on,
        duration_minutes,
        cast(target_minutes as numeric(18, 3)) as target_minutes,
        case when outcome = 'succeeded' then duration_minutes <= target_minutes end
            as within_target
    from joined
)

select * from attempts
{% if is_incremental() %}
except
select * from {{ this }}
{% endif %}
