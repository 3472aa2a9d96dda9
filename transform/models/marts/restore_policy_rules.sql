-- One row a rule as it was written, and one for each change of the defaults.
select
    'rule/' || rule as rule_key,
    rule,
    project,
    addon,
    type as database_type,
    tag,
    in_scope,
    rto_minutes,
    rpo_hours,
    drill_interval_days,
    owner,
    waiver_reason,
    waiver_until,
    valid_from
from {{ ref('northflank_restores', 'int_northflank__restore_policies') }}
union all
select
    'default/' || cast(valid_from as {{ dbt.type_string() }}) as rule_key,
    'default' as rule,
    cast(null as {{ dbt.type_string() }}) as project,
    cast(null as {{ dbt.type_string() }}) as addon,
    cast(null as {{ dbt.type_string() }}) as database_type,
    cast(null as {{ dbt.type_string() }}) as tag,
    cast(null as {{ dbt.type_string() }}) as in_scope,
    rto_minutes,
    rpo_hours,
    drill_interval_days,
    cast(null as {{ dbt.type_string() }}) as owner,
    cast(null as {{ dbt.type_string() }}) as waiver_reason,
    cast(null as date) as waiver_until,
    -- The first defaults hold since ever.
    case when valid_from > cast('0001-01-01' as date) then valid_from end as valid_from
from {{ ref('northflank_restores', 'policy_defaults') }}
