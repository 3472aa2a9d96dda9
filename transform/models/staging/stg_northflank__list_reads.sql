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
                "stream",
                "projectId",
                "addonId",
                -- A project has one team, whatever the token was.
                case when "projectId" = '' then "teamId" end
            order by "readAt" desc, "_sdc_sync_started_at" desc, "teamId" desc
        ) as nth
    from loaded
)

select
    "stream" || '/' || "teamId" || '/' || "projectId" || '/' || "addonId" as list_key,
    "stream" as stream,
    nullif("teamId", '') as team_id,
    nullif("projectId", '') as project_id,
    nullif("addonId", '') as addon_id,
    case when "addonId" <> '' then "projectId" || '/' || "addonId" end as addon_key,
    "readAt" as read_at,
    "listed" as listed,
    "completed" as completed,
    "pending" as pending,
    coalesce("leftOut", 0) as left_out,
    "sent" as sent,
    "heldBack" as held_back,
    "digest" as digest,
    "tapVersion" as tap_version,
    {{ from_milliseconds('"_sdc_sync_started_at"') }} as synced_at,
    "_sdc_batched_at" as loaded_at
from ranked
where nth = 1
