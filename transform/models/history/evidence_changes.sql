-- What each closed quarter said of each addon when it was first computed, and each change since:
-- a row is added when a late fact, a rule or a declaration makes the evidence another one. A look back
-- with an `as_of` before the last run adds none.
{{ config(unique_key='change_key') }}

with closed as (
    select * from {{ ref('northflank_restores', 'restore_drill_evidence') }}
    where is_over and {{ is_no_look_back() }}
){% if is_incremental() %},

last_known as (
    select * from (
        select
            *,
            row_number() over (partition by evidence_key order by change_number desc) as nth
        from {{ this }}
    ) as changes
    where nth = 1
){% endif %}

select
    closed.evidence_key || '/'
    || cast({% if is_incremental() %}coalesce(last_known.change_number, 0) + 1{% else %}1{% endif %} as {{ text_type() }})
        as change_key,
    closed.evidence_key,
    cast({% if is_incremental() %}coalesce(last_known.change_number, 0) + 1{% else %}1{% endif %} as integer)
        as change_number,
    closed.addon_key,
    closed.quarter,
    {{ as_of() }} as seen_at,
    {% if is_incremental() %}last_known.evidence{% else %}cast(null as {{ text_type() }}){% endif %}
        as evidence_before,
    closed.evidence,
    {% if is_incremental() %}last_known.restore_key{% else %}cast(null as {{ text_type() }}){% endif %}
        as restore_key_before,
    closed.restore_key
from closed
{% if is_incremental() %}
left join last_known on closed.evidence_key = last_known.evidence_key
where
    last_known.evidence_key is null
    or closed.evidence <> last_known.evidence
    or coalesce(closed.restore_key, '') <> coalesce(last_known.restore_key, '')
{% endif %}
