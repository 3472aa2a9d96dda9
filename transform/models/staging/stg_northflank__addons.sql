-- Addons as the tap listed them, also those that are gone since.
with loaded as (
    {{ loaded('addons', {
        'teamId': 'text', 'projectId': 'text', 'id': 'text', 'name': 'text', 'appId': 'text',
        'tags': 'list', 'spec': 'json', 'status': 'text', '_sdc_deleted_at': 'instant',
        '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
)

select
    {{ key_of('projectId', 'id') }} as addon_key,
    -- An `appId` begins with the team: /team/project/addon.
    coalesce({{ named('teamId') }}, nullif({{ dbt.split_part(named('appId'), "'/'", 2) }}, '')) as team_id,
    {{ named('projectId') }} as project_id,
    {{ named('id') }} as addon_id,
    {{ named('name') }} as addon_name,
    {{ json_text(named('spec'), 'type') }} as database_type,
    {{ named('tags') }} as tags,
    {{ named('status') }} as addon_status,
    {{ named('_sdc_deleted_at') }} as deleted_at,
    {{ from_milliseconds(named('_sdc_sync_started_at')) }} as synced_at,
    {{ named('_sdc_batched_at') }} as loaded_at
from loaded
