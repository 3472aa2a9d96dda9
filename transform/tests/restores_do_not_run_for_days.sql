-- A restore that runs for longer than a day was given up, or its addon vanished meanwhile.
{{ config(severity='warn') }}

select * from {{ ref('northflank_restores', 'restore_attempts') }}
where is_running and started_at < {{ days_ago(1) }}
