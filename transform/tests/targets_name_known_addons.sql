-- A target for an addon that is not in the warehouse is probably misspelt.
{{ config(severity='warn') }}

select targets.*
from {{ ref('addon_targets') }} as targets
left join {{ ref('addon_directory') }} as addons
    on
        targets.project_id = addons.project_id
        and targets.addon_id = addons.addon_id
where addons.addon_key is null
