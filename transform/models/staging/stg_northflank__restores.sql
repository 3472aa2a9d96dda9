-- Restores, with the API's times under plain names, and without what cannot be a time.
with loaded as (
    {{ loaded('restores', {
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
    -- The start of the restore, or the time of its backup: see `restore_timestamp_readings`.
    {{ plausible('"restoreTimestamp"') }} as restore_timestamp,
    {{ plausible('"completedAt"') }} as ended_at,
    "restoreTimestamp" as restore_timestamp_as_read,
    "completedAt" as ended_at_as_read,
    "backupId" as backup_id,
    {{ from_milliseconds('"_sdc_sync_started_at"') }} as synced_at,
    "_sdc_batched_at" as loaded_at
from loaded
