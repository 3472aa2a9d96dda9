-- Every addon that was ever known, and whether it is still there.
with known as (
    select * from {{ ref('northflank_restores', 'known_addons') }}
),

listed as (
    select * from {{ ref('northflank_restores', 'stg_northflank__addons') }}
),

listings as (
    select
        project_id,
        max(synced_at) as synced_at
    from listed
    group by project_id
),

-- The ledger knows more, where it is loaded: of a project whose last addon is gone no row tells that
-- its list was read, and the rows of a list that was cut off do not tell that it was not read whole.
whole_listings as (
    select
        project_id,
        max(synced_at) as synced_at
    from {{ ref('northflank_restores', 'stg_northflank__list_reads') }}
    where stream = 'addons'
    group by project_id
)

select
    known.addon_key,
    known.team_id,
    known.project_id,
    coalesce(known.project_name, known.project_id) as project_name,
    known.addon_id,
    coalesce(known.addon_name, known.addon_id) as addon_name,
    coalesce(known.database_type, 'unknown') as database_type,
    known.tags,
    listed.addon_status,
    known.created_at,
    -- In a simulation, or with `as_of` in the past, a listing may be later than `as_of`.
    case
        when known.first_sign_at <= known.first_listed_at and known.first_sign_at <= {{ as_of() }}
            then known.first_sign_at
        when known.first_listed_at <= {{ as_of() }} then known.first_listed_at
        else {{ as_of() }}
    end as known_since,
    known.last_seen_at,
    -- Gone: marked as deleted, or no longer in a later listing of its project. An addon that was
    -- read without a listing (the tap's setting `addons`) counts as there.
    listed.deleted_at is null
    and coalesce(listed.addon_status, '') not in ('deleting', 'deleted')
    and coalesce(
        known.last_seen_at >= case
            -- A ledger that is a day behind the rows is no longer loaded.
            when {{ minutes_between('whole_listings.synced_at', 'listings.synced_at') }} <= 1500
                or listings.synced_at is null
                then whole_listings.synced_at
            else listings.synced_at
        end,
        true
    ) as is_current
from known
left join listed on known.addon_key = listed.addon_key
left join listings on known.project_id = listings.project_id
left join whole_listings on known.project_id = whole_listings.project_id
