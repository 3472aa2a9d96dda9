-- The declarations of drill addons, checked.
{% set text = text_type() %}
{{ rules_rows('drill_addons', {
    'project': text, 'addon': text, 'source_project': text, 'source_addon': text,
}) }}
