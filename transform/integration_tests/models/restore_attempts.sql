-- Another model of a name that the package has too.
select 'A customer who wants his account back' as restore_key
