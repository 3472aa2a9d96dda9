-- One row a day (UTC) and project with at least one attempt.
with attempts as (
    select * from {{ ref('northflank_restores', 'restore_attempts') }}
    where counted_at <= {{ as_of() }}
)

select
    cast(counted_on as {{ text_type() }}) || '/' || project_id as activity_key,
    counted_on as day,
    max(team_id) as team_id,
    project_id,
    max(project_name) as project_name,
    count(*) as attempts,
    count(case when outcome = 'succeeded' then 1 end) as successes,
    count(case when outcome = 'failed' then 1 end) as failures,
    count(case when outcome = 'aborted' then 1 end) as aborted,
    count(case when outcome = 'running' then 1 end) as running,
    count(case when outcome = 'unknown' then 1 end) as unknown,
    {%- set measured = "case when outcome = 'succeeded' then duration_minutes end" %}
    {{ percentile(0.5, measured) }} as median_minutes,
    {{ percentile(0.95, measured) }} as p95_minutes,
    max({{ measured }}) as longest_minutes
from attempts
group by counted_on, project_id
