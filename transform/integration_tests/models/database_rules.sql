-- The host's own rules, made by a model: the columns that it needs, of the types that it has.
select
    'orders' as rule,
    'orders' as addon,
    20 as rto_minutes,
    true as in_scope,
    '' as owner
