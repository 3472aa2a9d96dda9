-- Backups, if the stream is selected. Northflank forgets a backup when its retention ends.
with loaded as (
    {{ loaded('backups', {
        'teamId': 'text', 'projectId': 'text', 'addonId': 'text', 'id': 'text', 'name': 'text',
        'status': 'text', 'createdAt': 'instant', 'completedAt': 'instant', 'config': 'json',
        'customDestinationId': 'text', '_sdc_sync_started_at': 'integer',
        '_sdc_batched_at': 'instant',
    }) }}
)

select
    {{ key_of('projectId', 'addonId', 'id') }} as backup_key,
    {{ key_of('projectId', 'addonId') }} as addon_key,
    {{ named('teamId') }} as team_id,
    {{ named('projectId') }} as project_id,
    {{ named('id') }} as backup_id,
    {{ named('name') }} as backup_name,
    {{ named('status') }} as status,
    {{ plausible(named('createdAt')) }} as created_at,
    {{ plausible(named('completedAt')) }} as completed_at,
    case
        when {{ is_number(json_text(named('config'), 'size')) }}
            then cast({{ json_text(named('config'), 'size') }} as {{ dbt.type_bigint() }})
    end as size_bytes,
    {{ named('customDestinationId') }} as destination_id,
    {{ from_milliseconds(named('_sdc_sync_started_at')) }} as synced_at,
    {{ named('_sdc_batched_at') }} as loaded_at
from loaded
