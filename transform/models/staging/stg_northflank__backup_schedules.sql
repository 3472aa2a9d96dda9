-- Backup schedules, if the stream is selected.
with loaded as (
    {{ loaded('backup_schedules', {
        'teamId': 'text', 'projectId': 'text', 'addonId': 'text', 'id': 'text',
        'backupType': 'text', 'scheduling': 'json', 'retentionTime': 'integer',
        'createdAt': 'instant', '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
)

select
    {{ key_of('projectId', 'addonId', 'id') }} as schedule_key,
    {{ key_of('projectId', 'addonId') }} as addon_key,
    {{ named('teamId') }} as team_id,
    {{ named('projectId') }} as project_id,
    {{ named('backupType') }} as backup_type,
    {{ json_text(named('scheduling'), 'interval') }} as schedule_interval,
    {{ json_text(named('scheduling'), 'minute') }} as minutes_list,
    {{ json_text(named('scheduling'), 'hour') }} as hours_list,
    {{ json_text(named('scheduling'), 'day') }} as days_list,
    {{ named('retentionTime') }} as retention_days,
    {{ plausible(named('createdAt')) }} as created_at,
    {{ from_milliseconds(named('_sdc_sync_started_at')) }} as synced_at,
    {{ named('_sdc_batched_at') }} as loaded_at
from loaded
