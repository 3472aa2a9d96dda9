"""What Meltano installs for target-postgres.

This is no group of pyproject.toml, as Meltano's own SQLAlchemy is older. SQLAlchemy 2.1 takes
postgresql:// as psycopg 3, which COPY needs; it is not for Python 3.10.
"""
# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "meltanolabs-target-postgres==0.8.1",
#   "sqlalchemy>=2.1; python_version >= '3.11'",
# ]
# ///
