"""The SDK's own suite: what every Singer tap is expected to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from simulator import World, serve
from tap_northflank_restores.streams import STREAMS
from tap_northflank_restores.tap import TapNorthflankRestores
from tests.support import selecting

if TYPE_CHECKING:
    from collections.abc import Iterator

# The suite keeps this dictionary, and the simulator's address is known only when it serves.
CONFIG = {"api_url": "http://127.0.0.1", "api_token": "nf-test-token", "page_size": 20}


@pytest.fixture(scope="module", autouse=True)
def _company() -> Iterator[None]:
    with serve(World.company()) as server:
        CONFIG["api_url"] = server.url
        yield


TestTap = get_tap_test_class(
    TapNorthflankRestores,
    config=CONFIG,
    suite_config=SuiteConfig(
        max_records_limit=150,
        # The other streams write it, see `tests/test_list_reads.py`.
        ignore_no_records_for_streams=["list_reads"],
    ),
    catalog=selecting(*(stream.name for stream in STREAMS)),
    parse_env_config=False,
)
