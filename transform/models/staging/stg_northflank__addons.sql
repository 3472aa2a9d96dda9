-- Addons as the tap listed them, also those that are gone since.
with loaded as (
    {{ loaded('addons', {
        'teamId': 'text', 'projectId': 'text', 'id': 'text', 'name': 'text', 'appId': 'text',
        'tags': 'list', 'spec': 'json', 'status': 'text', '_sdc_deleted_at': 'instant',
        '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
)

select
    "projectId" || '/' || "id" as addon_key,
    -- An `appId` begins with the team: /team/project/addon.
    coalesce("teamId", nullif(split_part("appId", '/', 2), '')) as team_id,
    "projectId" as project_id,
    "id" as addon_id,
    "name" as addon_name,
    {{ json_text('"spec"', 'type') }} as database_type,
    "tags" as tags,
    "status" as addon_status,
    "_sdc_deleted_at" as deleted_at,
    {{ from_milliseconds('"_sdc_sync_started_at"') }} as synced_at,
    "_sdc_batched_at" as loaded_at
from loaded
