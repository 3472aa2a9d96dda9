-- One row an addon and time in which one rule judges it: what was asked of it, and since when.
select
    addon_key || '/' || cast({{ utc_date('valid_from') }} as {{ text_type() }}) as period_key,
    addon_key,
    rule,
    -- The first rule holds since ever, and the last one still.
    case
        when {{ utc_date('valid_from') }} > cast('0001-01-01' as date) then {{ utc_date('valid_from') }}
    end as valid_from,
    case
        when {{ utc_date('valid_to') }} < cast('9999-01-01' as date) then {{ utc_date('valid_to') }}
    end as valid_before,
    in_scope,
    {{ number_begin() }}rto_minutes{{ number_end(3) }} as rto_minutes,
    {{ number_begin() }}rpo_hours{{ number_end(3) }} as rpo_hours,
    {{ number_begin() }}drill_interval_days{{ number_end(3) }} as drill_interval_days,
    owner,
    waiver_reason,
    waiver_until,
    attestation_required
from {{ ref('northflank_restores', 'int_northflank__policy_periods') }}
