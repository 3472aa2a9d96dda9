"""What Meltano installs for target-duckdb, beside loader/.

With a newer DuckDB than 1.0 it loses rows without a word, see docs/loaders.md. DuckDB 1.0.0 has no
wheel for Python 3.13.
"""
# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["target-duckdb==0.8.0", "duckdb==1.0.0"]
# ///
