-- What the API listed at the last whole read of each list, against the rows of the warehouse. More rows
-- than that are ordinary, as the API forgets; fewer are missing. "Nothing listed" and "never read" are
-- two answers.
with reads as (
    select * from {{ ref('northflank_restores', 'stg_northflank__list_reads') }}
),

ledger as (
    select count(*) > 0 as is_loaded from reads
),

addons as (
    select * from {{ ref('northflank_restores', 'int_northflank__addons') }}
),

-- The lists that should have been read: the restores of each addon, and of the other streams those that
-- were read of any addon.
lists as (
    select
        streams.stream,
        addons.addon_key,
        addons.team_id,
        addons.project_id,
        addons.addon_id,
        addons.is_current
    from addons
    cross join (
        select 'restores' as stream
        union all
        select distinct stream from reads
        where addon_key is not null and stream <> 'restores'
    ) as streams
    union all
    select
        stream,
        cast(null as {{ text_type() }}) as addon_key,
        team_id,
        project_id,
        cast(null as {{ text_type() }}) as addon_id,
        true as is_current
    from reads
    where addon_key is null
),

-- Each sync loads these lists whole. So what was listed is in rows that this load or a later one wrote.
loaded_whole as (
    {%- for stream, project in (('projects', false), ('addons', true)) %}
    select
        '{{ stream }}' as stream,
        cast(null as {{ text_type() }}) as addon_key,
        {{ "project_id" if project else "cast(null as " ~ text_type() ~ ")" }} as project_id,
        coalesce(team_id, '') as team_id,
        synced_at
    from {{ ref('northflank_restores', 'stg_northflank__' ~ stream) }}
    union all
    {%- endfor %}
    {%- for stream in ('backups', 'backup_schedules') %}
    select
        '{{ stream }}' as stream,
        addon_key,
        project_id,
        coalesce(team_id, '') as team_id,
        synced_at
    from {{ ref('northflank_restores', 'stg_northflank__' ~ stream) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

present_whole as (
    select
        reads.list_key,
        count(*) as present
    from reads
    inner join loaded_whole
        on
            reads.stream = loaded_whole.stream
            and coalesce(reads.addon_key, '') = coalesce(loaded_whole.addon_key, '')
            and coalesce(reads.project_id, '') = coalesce(loaded_whole.project_id, '')
            -- The listing of projects is one of a team.
            and (reads.project_id is not null or coalesce(reads.team_id, '') = loaded_whole.team_id)
            and coalesce(loaded_whole.synced_at >= reads.synced_at, true)
    group by reads.list_key
),

-- Of restores a sync sends what is new or changed, so each row counts. What a later load wrote may have
-- been another one when the list was read.
restores as (
    select
        restores.addon_key,
        count(*) as present,
        count(restores.ended_at_as_read) as completed,
        cast(sum(case when restores.synced_at <= reads.synced_at then 0 else 1 end) as {{ dbt.type_bigint() }}) as later,
        cast(sum({{ hash32(
            "restores.restore_id || '|' || coalesce(restores.status, '') || '|' || coalesce(cast(cast("
            ~ "round(extract(epoch from restores.ended_at_as_read) * 1000000) as " ~ dbt.type_bigint() ~ ") as "
            ~ text_type() ~ "), '')"
        ) }}) as {{ dbt.type_bigint() }}) as digest
    from {{ ref('northflank_restores', 'stg_northflank__restores') }} as restores
    inner join reads on restores.addon_key = reads.addon_key and reads.stream = 'restores'
    group by restores.addon_key
),

counted as (
    select
        lists.stream,
        lists.addon_key,
        coalesce(reads.team_id, lists.team_id) as team_id,
        lists.project_id,
        lists.addon_id,
        lists.is_current,
        ledger.is_loaded,
        reads.list_key is not null as is_read,
        reads.read_at,
        reads.listed,
        reads.left_out,
        reads.listed - reads.left_out as expected,
        case when reads.list_key is not null then coalesce(restores.present, present_whole.present, 0) end
            as present,
        case
            when lists.stream = 'restores' and reads.list_key is not null then {{ greatest_of(
                'reads.completed - reads.left_out - coalesce(restores.completed, 0)'
                ~ ' - coalesce(restores.later, 0)',
                'reads.pending - (coalesce(restores.present, 0) - coalesce(restores.completed, 0))'
                ~ ' - coalesce(restores.later, 0)',
                '0'
            ) }}
            else 0
        end as missing_by_kind,
        case
            when lists.stream = 'restores' and reads.left_out = 0 and coalesce(restores.later, 0) = 0
                and reads.listed = coalesce(restores.present, 0)
                then reads.digest = coalesce(restores.digest, case when reads.listed = 0 then 0 end)
        end as has_same_digest,
        reads.sent,
        reads.held_back,
        reads.tap_version
    from lists
    cross join ledger
    left join reads
        on
            lists.stream = reads.stream
            and coalesce(lists.addon_key, '') = coalesce(reads.addon_key, '')
            and (
                lists.addon_key is not null
                or (
                    coalesce(lists.project_id, '') = coalesce(reads.project_id, '')
                    and coalesce(lists.team_id, '') = coalesce(reads.team_id, '')
                )
            )
    left join restores on reads.stream = 'restores' and reads.addon_key = restores.addon_key
    left join present_whole on reads.list_key = present_whole.list_key
),

compared as (
    select
        *,
        {{ greatest_of('expected - present', 'missing_by_kind', '0') }} as missing
    from counted
)

select
    stream || '/' || coalesce(addon_key, coalesce(project_id, coalesce(team_id, ''))) as completeness_key,
    stream,
    team_id,
    project_id,
    addon_id,
    addon_key,
    is_current,
    case
        when not is_loaded then 'ledger not loaded'
        when not is_read then 'never read'
        when missing > 0 then 'rows missing'
        when not has_same_digest then 'rows differ'
        when listed = 0 then 'nothing listed'
        else 'complete'
    end as answer,
    read_at,
    {{ number_begin() }}{{ minutes_between('read_at', as_of()) }} / 60{{ number_end(1) }} as age_hours,
    listed,
    left_out,
    present,
    case when is_read then missing end as missing,
    case when is_read then {{ greatest_of('present - expected', '0') }} end as forgotten,
    coalesce(has_same_digest, false) as is_proven,
    sent,
    held_back,
    tap_version
from compared
-- What was deleted before it was read can never be read.
where is_current or is_read
