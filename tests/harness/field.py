"""`RESUMER_TEST_FIELD=1`: daemons of tests go through pgbouncer, with the listed rights alone."""

import os
from contextlib import ExitStack
from functools import cache

from tests.harness.database import Database, on
from tests.harness.members import give_rights, member_of
from tests.harness.pooler import Pooler, pooling

_open = ExitStack()


def asked() -> bool:
    """Tell whether that was asked for."""
    return bool(os.environ.get("RESUMER_TEST_FIELD"))


def settings(database: Database) -> dict[str, str]:
    """Return the settings that lead a daemon to a database: straight, or as it is in the field."""
    if not asked():
        return {"database_url": database.url}
    give_rights(database.url)
    return {
        "database_url": _pooler(on(database.url, "postgres")).to(database).url,
        "listen_url": database.url,
        "allow_superuser": "false",
    }


def close() -> None:
    """Stop what was started."""
    _open.close()
    _pooler.cache_clear()


@cache
def _pooler(server: str) -> Pooler:
    """Start it once for a server, when the first database has the roles."""
    login = _open.enter_context(member_of(Database("postgres", server, "empty"), "resumer_daemon"))
    return _open.enter_context(pooling(login.url))
