-- The attestations in force, each with the key of its restore. One of a drill that left no restore is a
-- restore of its own, of that day.
{% set unknown %}
    select given.project || '/' || given.addon || '/' || given.restore_id
    from {{ ref('northflank_restores', 'int_northflank__restore_attestations') }} as given
    where
        given.restore_id is not null
        and exists (select 1 from {{ ref('northflank_restores', 'int_northflank__addons') }})
        and not exists (
            select 1 from {{ ref('northflank_restores', 'stg_northflank__restores') }} as restores
            where restores.restore_key = given.project || '/' || given.addon || '/' || given.restore_id
        )
    order by 1
{% endset %}
{% set unlisted %}
    select given.project || '/' || given.addon
    from {{ ref('northflank_restores', 'int_northflank__restore_attestations') }} as given
    where
        given.restore_id is null
        and exists (select 1 from {{ ref('northflank_restores', 'int_northflank__addons') }})
        and not exists (
            select 1 from {{ ref('northflank_restores', 'int_northflank__addons') }} as addons
            where addons.addon_key = given.project || '/' || given.addon
        )
    order by 1
{% endset %}
{{ check_none('restore_attestations', unknown, 'there is no restore … in the warehouse') }}
{{ check_none('restore_attestations', unlisted, 'there is no addon … in the warehouse') }}
select
    project || '/' || addon || '/' || coalesce(
        restore_id, 'drill of ' || cast(drilled_on as {{ dbt.type_string() }})
    ) as restore_key,
    project || '/' || addon as addon_key,
    restore_id,
    drilled_on,
    result,
    checked_by,
    checked_on,
    minutes,
    ticket,
    note
from {{ ref('northflank_restores', 'int_northflank__restore_attestations') }}
-- What was checked after `as_of` was not known then.
where checked_on <= {{ utc_date(as_of()) }}
