"""What Meltano installs for target-jsonl.

This is no group of pyproject.toml, as the loader needs a jsonschema that the tap cannot use.
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["target-jsonl==0.1.4"]
# ///
