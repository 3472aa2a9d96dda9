-- Projects as the tap listed them.
with loaded as (
    {{ loaded('projects', {
        'teamId': 'text', 'id': 'text', 'name': 'text', '_sdc_deleted_at': 'instant',
        '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
)

select
    {{ named('teamId') }} as team_id,
    {{ named('id') }} as project_id,
    {{ named('name') }} as project_name,
    {{ named('_sdc_deleted_at') }} as deleted_at,
    {{ from_milliseconds(named('_sdc_sync_started_at')) }} as synced_at,
    {{ named('_sdc_batched_at') }} as loaded_at
from loaded
