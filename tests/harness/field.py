"""`RESUMER_TEST_FIELD=1`: daemons of tests go through pgbouncer, with the listed rights alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness.database import Database
from tests.harness.members import give_rights, member_of
from tests.harness.pooler import pooling


def asked() -> bool:
    """Tell whether that was asked for."""
    return bool(os.environ.get("RESUMER_TEST_FIELD"))


@contextmanager
def leading(database: Database) -> Iterator[dict[str, str]]:
    """Yield the settings that lead a daemon to a database: straight, or as in the field."""
    if not asked():
        yield {"database_url": database.url}
        return
    give_rights(database.url)
    with member_of(database, "resumer_daemon") as login, pooling(login.url) as pooler:
        yield {
            "database_url": pooler.to(database).url,
            "listen_url": login.url,
            "allow_superuser": "false",
        }
