-- The last read of each list that the tap read to its end, if the stream is selected. A loader that
-- appends has earlier ones too.
with loaded as (
    {{ loaded('list_reads', {
        'teamId': 'text', 'projectId': 'text', 'addonId': 'text', 'stream': 'text',
        'readAt': 'instant', 'listed': 'integer', 'completed': 'integer', 'pending': 'integer',
        'leftOut': 'integer', 'sent': 'integer', 'heldBack': 'integer', 'digest': 'integer',
        'tapVersion': 'text', '_sdc_sync_started_at': 'integer', '_sdc_batched_at': 'instant',
    }) }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by
                {{ named('stream') }},
                coalesce({{ named('projectId') }}, ''),
                coalesce({{ named('addonId') }}, ''),
                -- A project has one team, whatever the token was.
                case when coalesce({{ named('projectId') }}, '') = '' then coalesce({{ named('teamId') }}, '') end
            order by {{ named('readAt') }} desc, {{ named('_sdc_sync_started_at') }} desc, {{ named('teamId') }} desc
        ) as nth
    from loaded
)

select
    {{ named('stream') }} || '/' || coalesce({{ named('teamId') }}, '') || '/'
    || coalesce({{ named('projectId') }}, '') || '/' || coalesce({{ named('addonId') }}, '') as list_key,
    {{ named('stream') }} as stream,
    nullif({{ named('teamId') }}, '') as team_id,
    nullif({{ named('projectId') }}, '') as project_id,
    nullif({{ named('addonId') }}, '') as addon_id,
    case when {{ named('addonId') }} <> '' then {{ named('projectId') }} || '/' || {{ named('addonId') }} end as addon_key,
    {{ named('readAt') }} as read_at,
    {{ named('listed') }} as listed,
    {{ named('completed') }} as completed,
    {{ named('pending') }} as pending,
    coalesce({{ named('leftOut') }}, 0) as left_out,
    {{ named('sent') }} as sent,
    {{ named('heldBack') }} as held_back,
    {{ named('digest') }} as digest,
    {{ named('tapVersion') }} as tap_version,
    {{ from_milliseconds(named('_sdc_sync_started_at')) }} as synced_at,
    {{ named('_sdc_batched_at') }} as loaded_at
from ranked
where nth = 1
