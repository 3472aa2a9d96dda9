"""What the image of deploy/ has of Meltano: state in a PostgreSQL, in S3 or in Google's storage.

This is no group of pyproject.toml, as none of it is needed to work on the tap.
"""
# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "meltano[gcs,postgres,s3]>=4.4,<5",
# ]
# ///
