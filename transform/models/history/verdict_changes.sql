-- The first verdict of each addon, and each change since: from what, to what, why. A row is never
-- changed. A look back with an `as_of` before the last run adds none.
{{ config(unique_key='change_key') }}

with judged as (
    select
        addon_key,
        verdict,
        reason
    from {{ ref('northflank_restores', 'addon_recoverability') }}
    where {{ is_no_look_back() }}
),

{% if is_incremental() %}
last_known as (
    select * from (
        select
            *,
            row_number() over (partition by addon_key order by change_number desc) as nth
        from {{ this }}
    ) as changes
    where nth = 1
),
{% endif %}

compared as (
    select
        judged.addon_key,
        judged.verdict,
        judged.reason,
        {% if is_incremental() %}
        coalesce(last_known.change_number, 0) + 1 as change_number,
        last_known.to_verdict as from_verdict,
        last_known.to_reason as from_reason
        {% else %}
        1 as change_number,
        cast(null as {{ text_type() }}) as from_verdict,
        cast(null as {{ text_type() }}) as from_reason
        {% endif %}
    from judged
    {% if is_incremental() %}
    left join last_known on judged.addon_key = last_known.addon_key
    where last_known.addon_key is null or judged.verdict <> last_known.to_verdict
    {% endif %}
)

select
    addon_key || '/' || cast(change_number as {{ text_type() }}) as change_key,
    addon_key,
    cast(change_number as integer) as change_number,
    {{ as_of() }} as seen_at,
    from_verdict,
    from_reason,
    verdict as to_verdict,
    reason as to_reason,
    {{ is_worse('from_verdict', 'verdict') }} as is_worse
from compared
