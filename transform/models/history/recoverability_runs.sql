-- The instants that the answers were computed for, each once: by them "since the last run" is told. A
-- look back with an earlier `as_of` is not one of them.
-- depends_on: {{ ref('northflank_restores', 'addon_recoverability') }}
{{ config(unique_key='as_of') }}

select
    {{ as_of() }} as as_of,
    cast('{{ run_started_at.isoformat() }}' as {{ timestamp_utc() }}) as first_run_at
{% if is_incremental() %}
where not exists (select 1 from {{ this }} as runs where runs.as_of >= {{ as_of() }})
{% endif %}
