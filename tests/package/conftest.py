"""The wheel and the source archive, built once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from tests.package.process import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    run(find_uv_bin(), "build", "--out-dir", folder)
    return folder
