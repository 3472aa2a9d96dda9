-- The host's own attestations, made by a model: the columns that it needs.
select
    'shop' as project,
    'orders' as addon,
    'o' as restore_id,
    'passed' as result,
    'Ada' as checked_by,
    date '2026-06-27' as checked_on
