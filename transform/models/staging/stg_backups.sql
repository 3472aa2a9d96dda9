-- Backups, if the stream is selected. Northflank forgets a backup when its retention ends.
with loaded as (
    {{ loaded(source('northflank', 'backups'), {
        'projectId': 'text', 'addonId': 'text', 'id': 'text', 'name': 'text',
        'createdAt': 'instant', '_sdc_batched_at': 'instant',
    }) }}
)

select
    "projectId" || '/' || "addonId" || '/' || "id" as backup_key,
    "projectId" || '/' || "addonId" as addon_key,
    "id" as backup_id,
    "name" as backup_name,
    "createdAt" as created_at,
    "_sdc_batched_at" as loaded_at
from loaded
