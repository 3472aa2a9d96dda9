-- The declared drill addons: of several declarations that match, the most specific holds.
{% set unknown %}
    select declared.source_project || '/' || declared.source_addon
    from {{ ref('northflank_restores', 'int_northflank__drill_declarations') }} as declared
    where
        exists (select 1 from {{ ref('northflank_restores', 'int_northflank__addons') }})
        and not exists (
            select 1 from {{ ref('northflank_restores', 'int_northflank__addons') }} as addons
            where
                addons.project_id = declared.source_project
                and addons.addon_id = declared.source_addon
        )
    order by 1
{% endset %}
{{ check_none('drill_addons', unknown, 'there is no addon … in the warehouse') }}
with matched as (
    select
        addons.addon_key,
        declared.source_project || '/' || declared.source_addon as source_addon_key,
        row_number() over (
            partition by addons.addon_key
            order by
                {{ specificity('declared.addon') }} desc,
                {{ specificity('declared.project') }} desc,
                length(declared.addon) desc,
                declared.source_project asc,
                declared.source_addon asc
        ) as nth
    from {{ ref('northflank_restores', 'int_northflank__addons') }} as addons
    inner join {{ ref('northflank_restores', 'int_northflank__drill_declarations') }} as declared
        on
            {{ fits('addons.project_id', 'declared.project') }}
            and {{ fits('addons.addon_id', 'declared.addon') }}
)

select
    addon_key,
    source_addon_key
from matched
where nth = 1
