-- The defaults of the variables, and from which day on each held. A change holds from the first day
-- of the quarter in which it was made, so that a closed quarter keeps the defaults of its time.
{{ config(unique_key='valid_from') }}

{% set quarter = quarter_of(as_of()) %}
{% set given %}
        {{ number_begin() }}{{ var('rto_minutes') }}{{ number_end(3) }} as rto_minutes,
        {{ number_begin() }}{{ var('rpo_hours') }}{{ number_end(3) }} as rpo_hours,
        {{ number_begin() }}{{ var('overdue_after_days') }}{{ number_end(3) }} as drill_interval_days,
        {{ as_of() }} as last_used_at
{% endset %}
{% if is_incremental() %}
with latest as (
    select * from {{ this }}
    where valid_from = (select max(valid_from) from {{ this }})
),

given as (
    select
        {{ given }}
)

select
    case
        when
            latest.rto_minutes = given.rto_minutes
            and latest.rpo_hours = given.rpo_hours
            and latest.drill_interval_days = given.drill_interval_days
            then latest.valid_from
        else greatest(latest.valid_from, {{ quarter }})
    end as valid_from,
    given.rto_minutes,
    given.rpo_hours,
    given.drill_interval_days,
    given.last_used_at
from given
cross join latest
-- A look back with `as_of` does not make history.
where given.last_used_at >= latest.last_used_at
{% else %}
select
    cast('0001-01-01' as date) as valid_from,
    {{ given }}
{% endif %}
