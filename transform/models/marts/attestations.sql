-- One row an attestation in force: who checked what, when, with what result, and what it proves.
select
    attested.restore_key,
    attested.addon_key,
    attempts.source_addon_key,
    attested.restore_id,
    attested.drilled_on,
    attempts.counted_at,
    attested.result,
    attested.checked_by,
    attested.checked_on,
    attested.ticket,
    attested.note,
    attempts.outcome,
    attempts.is_proof
from {{ ref('northflank_restores', 'int_northflank__attested') }} as attested
inner join {{ ref('northflank_restores', 'restore_attempts') }} as attempts
    on attested.restore_key = attempts.restore_key
