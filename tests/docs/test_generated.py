"""What `./dev docs` writes is as it would write it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docs import generate

if TYPE_CHECKING:
    from pathlib import Path

AGAIN = "is not what the code says: run ./dev docs and commit what it writes"


def relative(path: Path) -> str:
    return path.relative_to(generate.ROOT).as_posix()


@pytest.mark.parametrize("page", generate.PAGES, ids=relative)
def test_a_page_says_what_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert generate.page(text) == text, f"{relative(page)} {AGAIN}"


def test_the_definition_for_meltano_has_the_settings_of_the_tap() -> None:
    text = generate.PLUGIN.read_text(encoding="utf-8")

    assert generate.plugin() == text, f"{relative(generate.PLUGIN)} {AGAIN}"


def test_every_block_is_in_a_page() -> None:
    texts = [page.read_text(encoding="utf-8") for page in generate.PAGES]
    names = {match["name"] for text in texts for match in generate.BLOCK.finditer(text)}

    assert names == set(generate.BLOCKS)
