-- The attestations, checked, with all columns and each of its type.
{% set text = dbt.type_string() %}
{{ rules_rows('restore_attestations', {
    'project': text, 'addon': text, 'restore_id': text, 'drilled_on': 'date', 'result': text,
    'checked_by': text, 'checked_on': 'date', 'minutes': 'numeric(18, 3)', 'ticket': text,
    'note': text,
}) }}
