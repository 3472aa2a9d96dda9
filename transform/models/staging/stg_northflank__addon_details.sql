-- What only the detail of an addon says, if the stream is selected.
with loaded as (
    {{ loaded('addon_details', {
        'teamId': 'text', 'projectId': 'text', 'id': 'text', 'createdAt': 'instant',
        '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
)

select
    {{ key_of('projectId', 'id') }} as addon_key,
    {{ named('teamId') }} as team_id,
    {{ named('projectId') }} as project_id,
    {{ plausible(named('createdAt')) }} as created_at,
    {{ from_milliseconds(named('_sdc_sync_started_at')) }} as synced_at,
    {{ named('_sdc_batched_at') }} as loaded_at
from loaded
