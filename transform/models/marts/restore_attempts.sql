-- One row a restore: where it ran (the addon), and whose backup it restored (the source). A drill that
-- left no restore and is attested has a row too. Each run
-- computes them all and writes those that are new or differ, so the table equals a full refresh:
-- also after a late row, a renamed addon or a changed rule. What is no longer in the source goes at
-- the end (a join, as `not in` takes a quadratic time).
-- DuckDB 1.0, which its loader needs, cannot replace a row under a unique index.
{{ config(
    materialized='incremental',
    unique_key='restore_key',
    incremental_strategy='merge' if target.type == 'bigquery' else 'delete+insert',
    on_schema_change='fail',
    indexes=[] if target.type in ('duckdb', 'redshift')
        else [{'columns': ['restore_key'], 'unique': true}, {'columns': ['addon_key']}],
    post_hook="delete from {{ this }} where restore_key in (
        select gone.restore_key from {{ this }} as gone
        left join {{ ref('northflank_restores', 'stg_northflank__restores') }} as restores
            on gone.restore_key = restores.restore_key
        left join {{ ref('northflank_restores', 'int_northflank__attested') }} as attested
            on gone.restore_key = attested.restore_key and attested.restore_id is null
        where restores.restore_key is null and attested.restore_key is null
    )",
) }}

with backups_loaded as (
    select count(*) > 0 as any_backup
    from {{ ref('northflank_restores', 'stg_northflank__backups') }}
),

addons as (
    select * from {{ ref('northflank_restores', 'int_northflank__addons') }}
),

attested as (
    select * from {{ ref('northflank_restores', 'int_northflank__attested') }}
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
        case
            when declared.addon_key is not null then declared.source_addon_key
            when lineage.restore_key is not null then lineage.source_addon_key
            else restores.addon_key
        end as source_addon_key,
        case
            when declared.addon_key is not null then 'declared'
            else coalesce(lineage.source_basis, 'assumed')
        end as source_basis,
        restores.restore_id,
        restores.backup_id,
        lineage.backup_name,
        coalesce(
            lineage.backup_created_at,
            case when readings.reading = 'backup created' then restores.restore_timestamp end
        ) as backup_created_at,
        case
            when backups_loaded.any_backup
                then coalesce(lineage.source_addon_key is not null, false)
        end as backup_known,
        restores.status,
        case
            -- What did not pass the check was not restored.
            when restores.status = 'completed' and attested.result = 'failed' then 'failed'
            when restores.status = 'completed' then 'succeeded'
            when restores.status in ('failed', 'not-supported') then 'failed'
            when restores.status = 'aborted' then 'aborted'
            when restores.status in ('scheduled', 'in-progress', 'aborting') then 'running'
            else 'unknown'
        end as outcome,
        restores.restore_timestamp,
        case when readings.reading = 'started' then restores.restore_timestamp end as started_at,
        restores.ended_at,
        coalesce(restores.ended_at, restores.restore_timestamp) as counted_at,
        attested.result as check_result,
        attested.checked_by,
        attested.checked_on,
        attested.minutes
    from {{ ref('northflank_restores', 'stg_northflank__restores') }} as restores
    inner join addons on restores.addon_key = addons.addon_key
    inner join {{ ref('northflank_restores', 'restore_timestamp_readings') }} as readings
        on coalesce(addons.team_id, '') = readings.team_id
    left join {{ ref('northflank_restores', 'restore_lineage') }} as lineage
        on restores.restore_key = lineage.restore_key
    left join {{ ref('northflank_restores', 'int_northflank__declared_sources') }} as declared
        on restores.addon_key = declared.addon_key
    left join attested on restores.restore_key = attested.restore_key
    cross join backups_loaded
    union all
    select
        attested.restore_key,
        attested.addon_key,
        addons.team_id,
        addons.project_id,
        addons.project_name,
        addons.addon_id,
        addons.addon_name,
        addons.database_type,
        attested.addon_key as source_addon_key,
        'attested' as source_basis,
        cast(null as {{ text_type() }}) as restore_id,
        cast(null as {{ text_type() }}) as backup_id,
        cast(null as {{ text_type() }}) as backup_name,
        cast(null as {{ timestamp_utc() }}) as backup_created_at,
        cast(null as boolean) as backup_known,
        cast(null as {{ text_type() }}) as status,
        case attested.result when 'passed' then 'succeeded' else 'failed' end as outcome,
        cast(null as {{ timestamp_utc() }}) as restore_timestamp,
        cast(null as {{ timestamp_utc() }}) as started_at,
        cast(null as {{ timestamp_utc() }}) as ended_at,
        -- The day's beginning: the next drill is due no later than it is.
        {{ from_date('attested.drilled_on') }} as counted_at,
        attested.result as check_result,
        attested.checked_by,
        attested.checked_on,
        attested.minutes
    from attested
    inner join addons on attested.addon_key = addons.addon_key
    where attested.restore_id is null
),

-- Under the second reading there is no start, so there is no duration. Equal times are no
-- measurement, nor is an end before the start, nor less than a second.
measured as (
    select
        *,
        {{ number_begin() }}
            case
                when minutes is not null then minutes
                when {{ minutes_between('started_at', 'ended_at') }} >= 1.0 / 60
                    then {{ minutes_between('started_at', 'ended_at') }}
            end
        {{ number_end(3) }} as duration_minutes
    from joined
)

select
    measured.restore_key,
    measured.addon_key,
    measured.team_id,
    measured.project_id,
    measured.project_name,
    measured.addon_id,
    measured.addon_name,
    measured.database_type,
    measured.source_addon_key,
    measured.source_basis,
    measured.restore_id,
    measured.backup_id,
    measured.backup_name,
    measured.backup_created_at,
    measured.backup_known,
    {{ number_begin() }}
        case
            when measured.counted_at >= measured.backup_created_at
                then {{ minutes_between(
                    'measured.backup_created_at',
                    'coalesce(measured.started_at, measured.counted_at)'
                ) }} / 60
        end
    {{ number_end(1) }} as backup_age_hours,
    measured.status,
    measured.outcome,
    measured.outcome = 'running' as is_running,
    measured.started_at,
    measured.ended_at,
    measured.counted_at,
    {{ utc_date('measured.counted_at') }} as counted_on,
    measured.duration_minutes,
    {{ number_begin() }}periods.rto_minutes{{ number_end(3) }} as target_minutes,
    case
        when measured.outcome = 'succeeded'
            then measured.duration_minutes <= periods.rto_minutes
    end as within_target,
    periods.rule,
    coalesce(periods.attestation_required, false) as attestation_required,
    measured.check_result,
    measured.checked_by,
    measured.checked_on,
    measured.outcome = 'succeeded' and (
        measured.check_result is not null or not coalesce(periods.attestation_required, false)
    ) as is_proof
from measured
left join {{ ref('northflank_restores', 'int_northflank__policy_periods') }} as periods
    on
        coalesce(measured.source_addon_key, measured.addon_key) = periods.addon_key
        and coalesce(measured.counted_at, {{ as_of() }}) >= periods.valid_from
        and coalesce(measured.counted_at, {{ as_of() }}) < periods.valid_to
{% if is_incremental() %}
{{ dbt.except() }}
select * from {{ this }}
{% endif %}
