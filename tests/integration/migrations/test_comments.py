"""A DBA who looks with psql reads what each object of ours is, and who writes it."""

import re
from pathlib import Path

from tests.harness import Database

COMMENTS = Path(__file__).parents[3] / "migrations" / "comments.up.sql"

OBJECTS = """
SELECT 'schema', n.nspname::text, obj_description(n.oid, 'pg_namespace') FROM pg_namespace n
WHERE n.nspname = 'resumer'
UNION ALL
SELECT 'relation', c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c
WHERE c.relnamespace = 'resumer'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT 'column', c.relname || '.' || a.attname, col_description(c.oid, a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'resumer'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT 'function', f.oid::regprocedure::text, obj_description(f.oid, 'pg_proc') FROM pg_proc f
WHERE f.pronamespace = 'resumer'::regnamespace
UNION ALL
SELECT 'domain', t.typname, obj_description(t.oid, 'pg_type') FROM pg_type t
WHERE t.typnamespace = 'resumer'::regnamespace AND t.typtype = 'd'
UNION ALL
SELECT 'trigger', t.tgname, obj_description(t.oid, 'pg_trigger')
FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
WHERE f.pronamespace = 'resumer'::regnamespace AND NOT t.tgisinternal
"""


def test_every_object_has_a_comment(database: Database):
    """A new object without a comment fails here (migrations/comments.up.sql)."""
    found = database.run(OBJECTS)
    assert {kind for kind, _, _ in found} >= {"relation", "column", "function", "trigger"}
    assert [f"{kind} {name}" for kind, name, text in found if len(text or "") < 10] == []


def test_every_function_that_is_described_exists(database: Database):
    described = re.findall(r"(?m)^      \('(\w+)', '", COMMENTS.read_text("utf-8"))
    functions = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'resumer'::regnamespace"
    assert set(described) == {name for (name,) in database.run(functions)}
