"""What Meltano installs for dbt-duckdb.

It has the loader's DuckDB: what a newer one has written to, the loader can no longer open.
"""
# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["dbt-core>=1.11,<1.12", "dbt-duckdb>=1.11", "duckdb==1.0.0"]
# ///
