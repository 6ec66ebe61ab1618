"""The schema of a database as text: two that are the same text are the same schema."""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

from resumer_daemon.embedded.files import find_binaries
from tests.harness.database import Database
from tests.harness.server import binaries

Way = Literal["pg_dump", "catalogue"]

# one line per thing, whoever made it, in an order that does not depend on when
CATALOGUE = """
WITH named AS (
  SELECT oid, nspname, nspacl FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
)
SELECT concat_ws(' ', 'schema', nspname, nspacl) FROM named
UNION ALL
SELECT concat_ws(' ', 'relation', nspname, c.relname, c.relkind, c.reloptions, c.relacl,
  obj_description(c.oid, 'pg_class'))
FROM named n JOIN pg_class c ON c.relnamespace = n.oid
UNION ALL
SELECT concat_ws(' ', 'column', c.oid::regclass, a.attname,
  format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
  pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
FROM named n JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
JOIN named n ON c.relnamespace = n.oid
UNION ALL
SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(c.oid))
FROM pg_constraint c JOIN named n ON c.connamespace = n.oid
UNION ALL
SELECT concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL
SELECT concat_ws(' ', pg_get_functiondef(p.oid), p.proacl) FROM pg_proc p
JOIN named n ON p.pronamespace = n.oid
ORDER BY 1
"""


def dumped(database: Database, way: Way) -> list[str]:
    """Return the lines that describe the schema, without what differs from dump to dump."""
    match way:
        case "catalogue":
            return [line for (line,) in database.run(CATALOGUE)]
        case "pg_dump":
            return _pg_dump(database)


def fitting_pg_dump(database: Database) -> Path | None:
    """Return a `pg_dump` that is at least as new as the server."""
    [(server,)] = database.run("SELECT current_setting('server_version_num')::int / 10000")
    return next((program for program in _programs() if _major(program) >= server), None)


def _pg_dump(database: Database) -> list[str]:
    program = fitting_pg_dump(database)
    assert program is not None, "ask fitting_pg_dump first"
    command = [str(program), "--schema-only", "--dbname", database.url]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    noise = re.compile(r"--|\\(un)?restrict ")
    return [line for line in ran.stdout.splitlines() if line and not noise.match(line)]


@cache
def _programs() -> list[Path]:
    places: list[Callable[[], Path | None]] = [
        lambda: find_binaries(binaries()) / "pg_dump",
        lambda: Path(shutil.which("pg_dump") or "/nowhere"),
    ]
    found = [program for place in places if (program := place()) and program.is_file()]
    return [*found, *sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))]


@cache
def _major(program: Path) -> int:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    number = re.search(r"(\d+)", said)
    return int(number[1]) if number else 0
