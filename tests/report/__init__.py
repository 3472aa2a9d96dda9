"""The report, made from marts that dbt made, and looked at in a real browser."""
