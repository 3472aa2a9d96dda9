-- Reads a mart, and calls macros of the package.
select
    addon_key,
    project_name,
    {{ northflank_restores.utc_date('last_success_at') }} as proven_on,
    {{ northflank_restores.quarter_of('last_success_at') }} as quarter,
    {{ northflank_restores.minutes_text('target_minutes') }} as target,
    {{ northflank_restores.fits('addon_id', "'ord*'") }} as is_for_orders
from {{ ref('northflank_restores', 'addon_recoverability') }}
