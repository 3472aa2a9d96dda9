-- Such restores are left out of all marts but `restore_attempts`: a clock is wrong, or `as_of`
-- lies in the past on purpose.
{{ config(severity='warn') }}

select * from {{ ref('northflank_restores', 'restore_attempts') }}
where counted_at > {{ as_of() }}
