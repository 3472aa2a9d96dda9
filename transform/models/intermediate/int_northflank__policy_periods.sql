-- By which rule each addon is judged, and from when to when. At each instant the most specific of
-- the rules that match holds, as a whole: an exact addon before a pattern before none, then the same
-- for the tag, the project and the type, then the more literal pattern; of equal ones the newest.
{% set unmatched %}
    select rules.rule
    from {{ ref('northflank_restores', 'int_northflank__restore_policies') }} as rules
    where
        exists (select 1 from {{ ref('northflank_restores', 'int_northflank__addons') }})
        and not exists (
            select 1 from {{ ref('northflank_restores', 'int_northflank__addons') }} as addons
            where
                {{ fits('addons.project_id', 'rules.project') }}
                and {{ fits('addons.addon_id', 'rules.addon') }}
                and {{ fits('addons.database_type', 'rules.type') }}
                and {{ a_line_fits('addons.tags', 'rules.tag') }}
        )
    order by 1
{% endset %}
{{ check_none('restore_policies', unmatched, 'the rule … matches no addon of the warehouse') }}
with defaults as (
    select * from {{ ref('northflank_restores', 'policy_defaults') }}
),

addons as (
    select * from {{ ref('northflank_restores', 'int_northflank__addons') }}
),

rules as (
    select
        *,
        {{ specificity('addon') }} * 1000 + {{ specificity('tag') }} * 100
        + {{ specificity('project') }} * 10 + {{ specificity('type') }} as specificity,
        length(coalesce(addon, '') || coalesce(tag, '') || coalesce(project, '')
        || coalesce(type, '')) as literal,
        cast(coalesce(valid_from, cast('0001-01-01' as date)) as date) as since
    from {{ ref('northflank_restores', 'int_northflank__restore_policies') }}
),

matched as (
    select
        addons.addon_key,
        rules.rule,
        rules.specificity,
        rules.literal,
        rules.since
    from addons
    inner join rules
        on
            {{ fits('addons.project_id', 'rules.project') }}
            and {{ fits('addons.addon_id', 'rules.addon') }}
            and {{ fits('addons.database_type', 'rules.type') }}
            and {{ a_line_fits('addons.tags', 'rules.tag') }}
),

starts as (
    select
        addon_key,
        since
    from matched
    union
    select
        addons.addon_key,
        defaults.valid_from as since
    from addons
    cross join defaults
),

chosen as (
    select
        starts.addon_key,
        starts.since,
        matched.rule,
        row_number() over (
            partition by starts.addon_key, starts.since
            order by
                matched.specificity desc nulls last,
                matched.literal desc,
                matched.since desc,
                matched.rule asc
        ) as nth
    from starts
    left join matched
        on
            starts.addon_key = matched.addon_key
            and matched.since <= starts.since
),

-- Which defaults held at each start.
held as (
    select
        starts.since,
        max(defaults.valid_from) as valid_from
    from (select distinct since from starts) as starts
    inner join defaults on starts.since >= defaults.valid_from
    group by starts.since
)

select
    chosen.addon_key,
    coalesce(chosen.rule, 'default') as rule,
    cast(cast(chosen.since as timestamp) as timestamp) at time zone 'UTC' as valid_from,
    coalesce(
        cast(lead(chosen.since) over (
            partition by chosen.addon_key order by chosen.since
        ) as timestamp),
        cast('9999-01-01' as timestamp)
    ) at time zone 'UTC' as valid_to,
    case lower(rules.in_scope) when 'true' then true when 'false' then false end as in_scope,
    coalesce(rules.rto_minutes, defaults.rto_minutes) as rto_minutes,
    coalesce(rules.rpo_hours, defaults.rpo_hours) as rpo_hours,
    coalesce(rules.drill_interval_days, defaults.drill_interval_days) as drill_interval_days,
    rules.owner,
    rules.waiver_reason,
    rules.waiver_until,
    coalesce(lower(rules.attestation_required) = 'true', false) as attestation_required
from chosen
inner join held on chosen.since = held.since
inner join defaults on held.valid_from = defaults.valid_from
left join rules on chosen.rule = rules.rule
where chosen.nth = 1
