-- When each part of the account was last read, the least recent first: a row a stream, team and
-- project. Restores show nothing of it, as a sync with nothing new loads none; the listing of addons
-- is read by each sync. A project that a later listing of its team no longer has cannot be read, so
-- it is left out; the team is that of its addons, as one that is not known may be two.
with teams as (
    select
        project_id,
        max(team_id) as team_id
    from {{ ref('northflank_restores', 'stg_northflank__addons') }}
    group by project_id
),

listings as (
    select
        teams.team_id,
        max(projects.synced_at) as synced_at
    from {{ ref('northflank_restores', 'stg_northflank__projects') }} as projects
    inner join teams on projects.project_id = teams.project_id
    group by teams.team_id
),

gone as (
    select projects.project_id
    from {{ ref('northflank_restores', 'stg_northflank__projects') }} as projects
    inner join teams on projects.project_id = teams.project_id
    inner join listings on teams.team_id = listings.team_id
    where projects.synced_at < listings.synced_at
),

reads as (
    {%- for stream, hours in (('addons', 25), ('backups', 49), ('backup_schedules', 49),
        ('addon_details', 49)) %}
    {{ "union all" if not loop.first }}
    select
        '{{ stream }}' as stream,
        {{ hours }} as stale_after_hours,
        team_id,
        project_id,
        max(coalesce(synced_at, loaded_at)) as last_read_at
    from {{ ref('northflank_restores', 'stg_northflank__' ~ stream) }}
    group by team_id, project_id
    {%- endfor %}
    union all
    select
        'projects' as stream,
        25 as stale_after_hours,
        team_id,
        cast(null as {{ text_type() }}) as project_id,
        max(coalesce(synced_at, loaded_at)) as last_read_at
    from {{ ref('northflank_restores', 'stg_northflank__projects') }}
    group by team_id
)

select
    stream || '/' || coalesce(team_id, '') || '/' || coalesce(project_id, '') as part_key,
    stream,
    team_id,
    project_id,
    last_read_at,
    {{ number_begin() }}{{ minutes_between('last_read_at', as_of()) }} / 60{{ number_end(1) }} as age_hours,
    stale_after_hours,
    coalesce(
        {{ minutes_between('last_read_at', as_of()) }} > stale_after_hours * 60, false
    ) as is_stale
from reads
where not exists (select 1 from gone where gone.project_id = reads.project_id)
