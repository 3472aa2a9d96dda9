-- Which addon's backup each restore restored, as far as loaded backups tell. What was found stays,
-- also when the backup expires or the addon is deleted. Only restores without a backup of their own
-- addon are looked at again. The least recent two addons with a backup of that id are enough to see
-- whether there are several, so the rows do not grow with addons times restores.
-- DuckDB 1.0, which its loader needs, cannot replace a row under a unique index.
{{ config(
    unique_key='restore_key',
    indexes=[] if target.type in ('duckdb', 'redshift') else [{'columns': ['restore_key'], 'unique': true}],
) }}

{% set same_id %}
        partition by team_id, database_type, backup_id order by created_at nulls first, addon_key
{%- endset %}
with restores as (
    select
        restores.restore_key,
        restores.addon_key,
        restores.backup_id,
        restores.restore_timestamp,
        coalesce(addons.team_id, '') as team_id,
        addons.database_type,
        coalesce(restores.ended_at, restores.restore_timestamp) as happened_at
    from {{ ref('northflank_restores', 'stg_northflank__restores') }} as restores
    inner join {{ ref('northflank_restores', 'known_addons') }} as addons
        on restores.addon_key = addons.addon_key
    {% if is_incremental() %}
    where not exists (
        select 1 from {{ this }} as known
        where known.restore_key = restores.restore_key and known.source_basis = 'own backup'
    )
    {% endif %}
),

backups as (
    select
        backups.addon_key,
        backups.backup_id,
        backups.backup_name,
        backups.created_at,
        coalesce(addons.team_id, '') as team_id,
        addons.database_type
    from {{ ref('northflank_restores', 'stg_northflank__backups') }} as backups
    inner join {{ ref('northflank_restores', 'known_addons') }} as addons
        on backups.addon_key = addons.addon_key
),

ranked as (
    select
        *,
        row_number() over ({{ same_id }}) as nth,
        lead(addon_key) over ({{ same_id }}) as next_addon_key,
        lead(created_at) over ({{ same_id }}) as next_created_at
    from backups
    where database_type is not null
),

found as (
    select
        restores.restore_key,
        restores.addon_key as target_addon_key,
        restores.team_id,
        case
            when own.addon_key is not null then own.addon_key
            when
                others.next_addon_key is null or others.next_created_at > restores.happened_at
                then others.addon_key
        end as source_addon_key,
        case
            when own.addon_key is not null then 'own backup'
            when
                others.next_addon_key is null or others.next_created_at > restores.happened_at
                then {{ literal("other addon's backup") }}
            else 'ambiguous'
        end as source_basis,
        coalesce(own.backup_name, others.backup_name) as backup_name,
        coalesce(own.created_at, others.created_at) as backup_created_at,
        restores.restore_timestamp
    from restores
    -- A backup that was made after the restore is another one under the same id.
    left join backups as own
        on
            restores.addon_key = own.addon_key
            and restores.backup_id = own.backup_id
            and coalesce(own.created_at <= restores.happened_at, true)
    left join ranked as others
        on
            restores.team_id = others.team_id
            and restores.database_type = others.database_type
            and restores.backup_id = others.backup_id
            and others.nth = 1
            and others.addon_key <> restores.addon_key
            and coalesce(others.created_at <= restores.happened_at, true)
    where own.addon_key is not null or others.addon_key is not null
)

select
    found.restore_key,
    found.target_addon_key,
    found.team_id,
    found.source_addon_key,
    found.source_basis,
    case when found.source_addon_key is not null then found.backup_name end as backup_name,
    case when found.source_addon_key is not null then found.backup_created_at end
        as backup_created_at,
    -- Whether `restoreTimestamp` is the time of the backup, by which its meaning is told.
    case
        when found.source_addon_key is not null
            then
                abs({{ minutes_between('found.backup_created_at', 'found.restore_timestamp') }})
                < 1.0 / 60
    end as timestamp_is_of_backup,
    {{ as_of() }} as decided_at
from found
{% if is_incremental() %}
left join {{ this }} as known on found.restore_key = known.restore_key
where
    known.restore_key is null
    or (known.source_basis = 'ambiguous' and found.source_basis = 'own backup')
    or (known.source_basis = {{ literal("other addon's backup") }} and found.source_basis <> known.source_basis)
{% endif %}
