"""Functions are as stable as their labels say: the planner calls them less often for it."""

from tests.harness import Database

# the names before a parenthesis, without comments and literals, of which no overload is as stable
CALLED = """
SELECT f.oid::regprocedure::text AS name, called.word
FROM pg_proc f
CROSS JOIN LATERAL (
  SELECT regexp_replace(
    regexp_replace(f.prosrc, '-- [^\\n]*', '', 'g'), $q$'[^']*'$q$, '', 'g') AS body
) AS b
CROSS JOIN LATERAL (
  SELECT DISTINCT m[1] AS word FROM regexp_matches(b.body, '([a-z_][a-z_0-9]*)\\s*\\(', 'g') AS m
) AS called
JOIN pg_proc p ON p.proname = called.word
  AND p.pronamespace IN ('pg_catalog'::regnamespace, 'resumer'::regnamespace)
WHERE f.pronamespace = 'resumer'::regnamespace AND f.provolatile <> 'v'
GROUP BY f.oid, f.provolatile, called.word
HAVING bool_and(CASE f.provolatile WHEN 's' THEN p.provolatile = 'v' ELSE p.provolatile <> 'i' END)
ORDER BY 1, 2
"""


def test_no_function_calls_what_is_less_stable_than_its_label(database: Database):  # P19
    found = database.run(CALLED)
    assert found == [], "\n".join(map(str, found))
