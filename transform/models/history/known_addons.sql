-- Every addon that was ever listed, restored or backed up, and since when it was known. Rows stay
-- after the addon is gone from the account and from the loader's tables.
-- DuckDB 1.0, which its loader needs, cannot replace a row under a unique index.
{{ config(
    unique_key='addon_key',
    indexes=[] if target.type in ('duckdb', 'redshift') else [{'columns': ['addon_key'], 'unique': true}],
) }}

with restored as (
    select
        addon_key,
        max(team_id) as team_id,
        max(project_id) as project_id,
        max(addon_id) as addon_id,
        max(synced_at) as synced_at,
        min(coalesce(ended_at, restore_timestamp)) as first_at
    from {{ ref('northflank_restores', 'stg_northflank__restores') }}
    where restore_key is not null
    group by addon_key
),

listed as (
    select * from {{ ref('northflank_restores', 'stg_northflank__addons') }}
    where addon_key is not null
),

details as (
    select * from {{ ref('northflank_restores', 'stg_northflank__addon_details') }}
),

backed_up as (
    select
        addon_key,
        min(created_at) as first_at
    from {{ ref('northflank_restores', 'stg_northflank__backups') }}
    group by addon_key
),

projects as (
    select * from {{ ref('northflank_restores', 'stg_northflank__projects') }}
),

found as (
    select
        coalesce(listed.addon_key, restored.addon_key) as addon_key,
        coalesce(listed.team_id, restored.team_id) as team_id,
        coalesce(listed.project_id, restored.project_id) as project_id,
        coalesce(listed.addon_id, restored.addon_id) as addon_id,
        listed.addon_name,
        listed.database_type,
        listed.tags,
        restored.first_at as first_restore_at,
        {{ greatest_of('listed.synced_at', 'restored.synced_at') }} as last_seen_at,
        coalesce(listed.synced_at, listed.loaded_at, restored.synced_at) as listed_at
    from listed
    full outer join restored on listed.addon_key = restored.addon_key
),

-- Signs of an addon, the most telling first. A listing tells when it was seen, not since when it
-- is there, so it is the last.
present as (
    select
        found.addon_key,
        found.team_id,
        found.project_id,
        projects.project_name,
        found.addon_id,
        found.addon_name,
        found.database_type,
        found.tags,
        details.created_at,
        {{ least_of('details.created_at', 'found.first_restore_at', 'backed_up.first_at') }}
            as first_sign_at,
        coalesce(found.listed_at, {{ as_of() }}) as first_listed_at,
        found.last_seen_at
    from found
    left join details on found.addon_key = details.addon_key
    left join backed_up on found.addon_key = backed_up.addon_key
    left join projects on found.project_id = projects.project_id
){% if is_incremental() %},

known as (
    select
        present.addon_key,
        coalesce(present.team_id, earlier.team_id) as team_id,
        present.project_id,
        coalesce(present.project_name, earlier.project_name) as project_name,
        present.addon_id,
        coalesce(present.addon_name, earlier.addon_name) as addon_name,
        coalesce(present.database_type, earlier.database_type) as database_type,
        coalesce(present.tags, earlier.tags) as tags,
        coalesce(present.created_at, earlier.created_at) as created_at,
        {{ least_of('present.first_sign_at', 'earlier.first_sign_at') }} as first_sign_at,
        {{ least_of('present.first_listed_at', 'earlier.first_listed_at') }} as first_listed_at,
        {{ greatest_of('present.last_seen_at', 'earlier.last_seen_at') }} as last_seen_at
    from present
    left join {{ this }} as earlier on present.addon_key = earlier.addon_key
)

select * from known
{{ dbt.except() }}
select * from {{ this }}
{% else %}

select * from present
{% endif %}
