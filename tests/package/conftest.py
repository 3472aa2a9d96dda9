"""The wheel and the source archive, built once, as a release is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from docs.generate import ROOT
from tests.package.process import run

if TYPE_CHECKING:
    from pathlib import Path

BUILD = ("build", "--build-constraint=requirements/build.txt", "--require-hashes")


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source archive; a release gives the one it publishes."""
    if given := os.environ.get("DIST"):
        return ROOT / given
    folder = tmp_path_factory.mktemp("dist")
    run(find_uv_bin(), *BUILD, "--out-dir", folder)
    return folder
