-- The rules, checked, with all columns and each of its type: a host's own may have fewer columns, and
-- an empty column of a seed is of any type.
{% set text = dbt.type_string() %}
{{ rules_rows('restore_policies', {
    'rule': text, 'project': text, 'addon': text, 'type': text, 'tag': text, 'in_scope': text,
    'rto_minutes': 'numeric(18, 3)', 'rpo_hours': 'numeric(18, 3)',
    'drill_interval_days': 'numeric(18, 3)', 'owner': text, 'waiver_reason': text,
    'waiver_until': 'date', 'valid_from': 'date', 'attestation_required': text,
}) }}
