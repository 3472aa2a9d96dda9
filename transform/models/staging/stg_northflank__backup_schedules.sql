-- Backup schedules, if the stream is selected.
with loaded as (
    {{ loaded('backup_schedules', {
        'teamId': 'text', 'projectId': 'text', 'addonId': 'text', 'id': 'text',
        'backupType': 'text', 'scheduling': 'json', 'retentionTime': 'integer',
        'createdAt': 'instant', '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
)

select
    "projectId" || '/' || "addonId" || '/' || "id" as schedule_key,
    "projectId" || '/' || "addonId" as addon_key,
    "teamId" as team_id,
    "projectId" as project_id,
    "backupType" as backup_type,
    {{ json_text('"scheduling"', 'interval') }} as schedule_interval,
    {{ json_text('"scheduling"', 'minute') }} as minutes_list,
    {{ json_text('"scheduling"', 'hour') }} as hours_list,
    {{ json_text('"scheduling"', 'day') }} as days_list,
    "retentionTime" as retention_days,
    {{ plausible('"createdAt"') }} as created_at,
    {{ from_milliseconds('"_sdc_sync_started_at"') }} as synced_at,
    "_sdc_batched_at" as loaded_at
from loaded
