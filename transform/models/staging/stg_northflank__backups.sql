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
    "projectId" || '/' || "addonId" || '/' || "id" as backup_key,
    "projectId" || '/' || "addonId" as addon_key,
    "teamId" as team_id,
    "projectId" as project_id,
    "id" as backup_id,
    "name" as backup_name,
    "status" as status,
    {{ plausible('"createdAt"') }} as created_at,
    {{ plausible('"completedAt"') }} as completed_at,
    case
        when {{ json_text('"config"', 'size') }} similar to '[0-9]{1,18}'
            then cast({{ json_text('"config"', 'size') }} as {{ dbt.type_bigint() }})
    end as size_bytes,
    "customDestinationId" as destination_id,
    {{ from_milliseconds('"_sdc_sync_started_at"') }} as synced_at,
    "_sdc_batched_at" as loaded_at
from loaded
