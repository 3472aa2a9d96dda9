-- What `restoreTimestamp` is in each team: the API's reference leaves open whether it is the start of
-- the restore or the time of the backup. Loaded backups tell: under the second reading the two times
-- are the same.
with teams as (
    select distinct coalesce(team_id, '') as team_id
    from {{ ref('northflank_restores', 'int_northflank__addons') }}
),

compared as (
    select
        team_id,
        count(timestamp_is_of_backup) as compared,
        count(case when timestamp_is_of_backup then 1 end) as equal
    from {{ ref('northflank_restores', 'restore_lineage') }}
    group by team_id
)

select
    teams.team_id,
    case
        when coalesce(compared.compared, 0) = 0
            then '{{ "backup created" if var("restore_timestamp") == "backup_created" else "started" }}'
        when compared.equal >= 0.9 * compared.compared then 'backup created'
        when compared.equal <= 0.1 * compared.compared then 'started'
        else 'unclear'
    end as reading,
    case
        when compared.compared > 0 then 'loaded backups'
        else '{{ "assumed" if var("restore_timestamp") == "auto" else "variable" }}'
    end as basis,
    coalesce(compared.compared, 0) as compared,
    cast(coalesce(compared.equal, 0) as {{ dbt.type_bigint() }}) as equal
from teams
left join compared on teams.team_id = compared.team_id
