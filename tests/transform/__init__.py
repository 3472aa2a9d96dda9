"""The dbt models, on rows that the pipeline's loader put into a real PostgreSQL."""
