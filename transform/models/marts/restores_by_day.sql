-- One row a day (UTC) with at least one attempt, over all projects.
select
    day,
    {%- for outcome, column in (
        ('succeeded', 'successes'), ('failed', 'failures'), ('aborted', 'aborted'),
        ('running', 'running'), ('unknown', 'unknown')
    ) %}
    cast(sum({{ column }}) as {{ dbt.type_bigint() }}) as {{ outcome }},
    {%- endfor %}
    cast(sum(attempts) as {{ dbt.type_bigint() }}) as attempts
from {{ ref('northflank_restores', 'daily_restore_activity') }}
group by day
