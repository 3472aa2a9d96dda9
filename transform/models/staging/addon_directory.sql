-- Every addon that was ever listed or restored, and whether it is still there.
with restored as (
    select
        addon_key,
        max(team_id) as team_id,
        max(project_id) as project_id,
        max(addon_id) as addon_id,
        max(synced_at) as synced_at
    from {{ ref('stg_restores') }}
    group by addon_key
),

listed as (
    select * from {{ ref('stg_addons') }}
),

listings as (
    select
        project_id,
        max(synced_at) as synced_at
    from listed
    group by project_id
),

known as (
    select
        coalesce(listed.addon_key, restored.addon_key) as addon_key,
        coalesce(listed.team_id, restored.team_id) as team_id,
        coalesce(listed.project_id, restored.project_id) as project_id,
        coalesce(listed.addon_id, restored.addon_id) as addon_id,
        listed.addon_name,
        listed.database_type,
        listed.addon_status,
        listed.deleted_at,
        greatest(
            coalesce(listed.synced_at, restored.synced_at),
            coalesce(restored.synced_at, listed.synced_at)
        ) as last_seen_at
    from listed
    full outer join restored on listed.addon_key = restored.addon_key
)

select
    known.addon_key,
    known.team_id,
    known.project_id,
    coalesce(projects.project_name, known.project_id) as project_name,
    known.addon_id,
    coalesce(known.addon_name, known.addon_id) as addon_name,
    coalesce(known.database_type, 'unknown') as database_type,
    known.addon_status,
    known.last_seen_at,
    -- Gone: marked as deleted, or no longer in a later listing of its project. An addon that was
    -- read without a listing (the tap's setting `addons`) counts as there.
    known.deleted_at is null
    and coalesce(known.addon_status, '') not in ('deleting', 'deleted')
    and coalesce(known.last_seen_at >= listings.synced_at, true) as is_current
from known
left join listings on known.project_id = listings.project_id
left join {{ ref('stg_projects') }} as projects on known.project_id = projects.project_id
