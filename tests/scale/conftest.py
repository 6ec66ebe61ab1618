"""The option that records figures."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --record."""
    parser.addoption("--record", action="store_true", help="Write docs/buffers.md anew.")
