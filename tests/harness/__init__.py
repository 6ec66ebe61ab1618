"""What tests share: a server, a fresh database for each test, and waiting for facts."""

from tests.harness.database import VINTAGES, Database, Vintage, every_vintage
from tests.harness.eventually import eventually, eventually_sync

__all__ = [
    "VINTAGES",
    "Database",
    "Vintage",
    "eventually",
    "eventually_sync",
    "every_vintage",
]
