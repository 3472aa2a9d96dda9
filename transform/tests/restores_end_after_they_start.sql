-- An end before the start means that `restoreTimestamp` is not what it is taken for.
{{ config(severity='warn') }}

select * from {{ ref('northflank_restores', 'restore_attempts') }}
where ended_at < started_at
