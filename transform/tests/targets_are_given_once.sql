-- Two targets for one addon would count its restores twice.
select
    project_id,
    addon_id
from {{ ref('addon_targets') }}
group by project_id, addon_id
having count(*) > 1
