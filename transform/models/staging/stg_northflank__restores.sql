-- Restores, with the API's times under plain names, and without what cannot be a time.
with loaded as (
    {{ loaded('restores', {
        'teamId': 'text', 'projectId': 'text', 'addonId': 'text', 'id': 'text',
        'status': 'text', 'restoreTimestamp': 'instant', 'completedAt': 'instant',
        'backupId': 'text', '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
)

select
    {{ key_of('projectId', 'addonId', 'id') }} as restore_key,
    {{ key_of('projectId', 'addonId') }} as addon_key,
    {{ named('teamId') }} as team_id,
    {{ named('projectId') }} as project_id,
    {{ named('addonId') }} as addon_id,
    {{ named('id') }} as restore_id,
    {{ named('status') }} as status,
    -- The start of the restore, or the time of its backup: see `restore_timestamp_readings`.
    {{ plausible(named('restoreTimestamp')) }} as restore_timestamp,
    {{ plausible(named('completedAt')) }} as ended_at,
    {{ named('restoreTimestamp') }} as restore_timestamp_as_read,
    {{ named('completedAt') }} as ended_at_as_read,
    {{ named('backupId') }} as backup_id,
    {{ from_milliseconds(named('_sdc_sync_started_at')) }} as synced_at,
    {{ named('_sdc_batched_at') }} as loaded_at
from loaded
