-- One row a rule as it was written, and one for each change of the defaults.
select
    'rule/' || policies.rule as rule_key,
    policies.rule,
    policies.project,
    policies.addon,
    policies.type as database_type,
    policies.tag as tag_pattern, -- `tag` alone is a reserved word of Redshift
    policies.in_scope,
    policies.rto_minutes,
    policies.rpo_hours,
    policies.drill_interval_days,
    policies.owner,
    policies.waiver_reason,
    policies.waiver_until,
    policies.valid_from,
    coalesce(lower(policies.attestation_required) = 'true', false) as attestation_required
from {{ ref('northflank_restores', 'int_northflank__restore_policies') }} as policies
union all
select
    'default/' || cast(valid_from as {{ text_type() }}) as rule_key,
    'default' as rule,
    cast(null as {{ text_type() }}) as project,
    cast(null as {{ text_type() }}) as addon,
    cast(null as {{ text_type() }}) as database_type,
    cast(null as {{ text_type() }}) as tag_pattern,
    cast(null as {{ text_type() }}) as in_scope,
    rto_minutes,
    rpo_hours,
    drill_interval_days,
    cast(null as {{ text_type() }}) as owner,
    cast(null as {{ text_type() }}) as waiver_reason,
    cast(null as date) as waiver_until,
    -- The first defaults hold since ever.
    case when valid_from > cast('0001-01-01' as date) then valid_from end as valid_from,
    false as attestation_required
from {{ ref('northflank_restores', 'policy_defaults') }}
