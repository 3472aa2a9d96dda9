-- Restores, with the API's times under the names that the marts use.
with loaded as (
    {{ loaded(source('northflank', 'restores'), {
        'teamId': 'text', 'projectId': 'text', 'addonId': 'text', 'id': 'text',
        'status': 'text', 'restoreTimestamp': 'instant', 'completedAt': 'instant',
        'backupId': 'text', '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
)

select
    "projectId" || '/' || "addonId" || '/' || "id" as restore_key,
    "projectId" || '/' || "addonId" as addon_key,
    "teamId" as team_id,
    "projectId" as project_id,
    "addonId" as addon_id,
    "id" as restore_id,
    "status" as status,
    -- An assumption, made here and nowhere else: the API calls `restoreTimestamp` "the time the
    -- backup was initiated", and leaves open whether that is the start of the restore or the age
    -- of the backup. It is read as the start of the restore.
    "restoreTimestamp" as started_at,
    "completedAt" as ended_at,
    "backupId" as backup_id,
    {{ from_milliseconds('"_sdc_sync_started_at"') }} as synced_at,
    "_sdc_batched_at" as loaded_at
from loaded
