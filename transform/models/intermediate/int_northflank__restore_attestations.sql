-- The attestations, checked, with all columns and each of its type.
{% set text = text_type() %}
{{ rules_rows('restore_attestations', {
    'project': text, 'addon': text, 'restore_id': text, 'drilled_on': 'date', 'result': text,
    'checked_by': text, 'checked_on': 'date', 'minutes': number_type(3), 'ticket': text,
    'note': text,
}) }}
