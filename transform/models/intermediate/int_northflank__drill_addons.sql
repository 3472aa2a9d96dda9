-- Addons that are there for drills and need no proof of their own: those that are declared, and those
-- without a backup of their own into which only backups of other addons were restored. A rule that
-- says `in_scope` true takes one back in.
with restored as (
    select
        addon_key,
        count(*) as attempts,
        sum(case when source_basis = {{ literal("other addon's backup") }} then 1 else 0 end) as of_others,
        min(source_addon_key) as source_addon_key,
        case
            when min(source_addon_key) is null then 0
            when min(source_addon_key) = max(source_addon_key) then 1
            else 2
        end as sources
    from {{ ref('northflank_restores', 'restore_attempts') }}
    group by addon_key
),

backed_up as (
    select distinct addon_key from {{ ref('northflank_restores', 'stg_northflank__backups') }}
)

select
    addons.addon_key,
    declared.addon_key is not null as is_declared,
    coalesce(declared.source_addon_key, restored.source_addon_key) as source_addon_key,
    coalesce(restored.sources, 0) as sources,
    coalesce(restored.attempts, 0) as attempts
from {{ ref('northflank_restores', 'int_northflank__addons') }} as addons
left join {{ ref('northflank_restores', 'int_northflank__declared_sources') }} as declared
    on addons.addon_key = declared.addon_key
left join restored on addons.addon_key = restored.addon_key
left join backed_up on addons.addon_key = backed_up.addon_key
where
    declared.addon_key is not null
    or (restored.attempts = restored.of_others and backed_up.addon_key is null)
