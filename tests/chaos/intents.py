"""What daemons have under way, as the journal and the leases have it."""

import psycopg

OPEN = """
SELECT count(*) FROM resumer.effects f JOIN resumer.leases l USING (execution_id)
WHERE f.status = 'intent' AND l.instance = coalesce(%(instance)s::uuid, l.instance)
"""


def open_intents(url: str, instance: str | None) -> int:
    """Return how many intents the instance (None: anybody) has under way."""
    with psycopg.connect(url) as connection:
        connection.execute("SET statement_timeout = 0")  # whatever is imposed at the moment
        row = connection.execute(OPEN, {"instance": instance}).fetchone()
    return int(row[0]) if row else 0
