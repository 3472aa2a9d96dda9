-- The projects of the host's CRM.
select
    'shop' as project_id,
    'A project of our CRM' as project_name,
    {{ as_of() }} as read_on
