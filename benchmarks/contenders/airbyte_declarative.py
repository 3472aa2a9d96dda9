# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = ["airbyte-cdk==7.39.1"]
# ///
"""Airbyte's low-code CDK: its own command for a manifest, here `airbyte_manifest.yaml`.

Usage: airbyte_declarative.py read --manifest-path … --config … --catalog … [--state …]
"""

from __future__ import annotations

from airbyte_cdk.cli.source_declarative_manifest import run

if __name__ == "__main__":
    run()
