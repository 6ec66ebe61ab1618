"""What a team chooses when it migrates: whether to adopt, and whether to refuse approvals."""

from resumer_daemon.store.connect import connect, settle_pooled
from resumer_daemon.store.patience import or_busy, patiently
from resumer_daemon.store.place import Place, prepare
from resumer_daemon.store.statements import load, written


async def adopt_blocked(url: str, *, on: bool) -> bool:
    """Say whether the service's blocked executions are adopted; return whether that is new."""
    async with await connect(url) as connection, connection.transaction():
        await settle_pooled(connection)
        cursor = await connection.execute(load("choose_adoption"), {"on": on})
    return cursor.rowcount > 0


def written_choice(*, on: bool) -> str:
    """Return the SQL of that choice."""
    return written("choose_adoption", on=on) + ";"


async def refuse_approvals(url: str, schema: str = "public", *, on: bool) -> bool:
    """Have approvals refused, or not, that the guard objects to; return whether that is new.

    Raises:
        MigrationError: Somebody who is not the owner of the table asks.
    """
    async with await connect(url) as connection:
        place = Place.of(schema, keep_columns=False)

        async def switch() -> str | None:
            async with connection.transaction():
                await prepare(connection, place)
                cursor = await connection.execute(load("is_guarded", schema=schema))
                if (await cursor.fetchone()) == (on,):
                    return None
                if on:
                    statement = load("enforce_guard", schema=schema)
                else:
                    statement = load("relax_guard", schema=schema)
                await or_busy(connection.execute(statement), "the guard of approvals")
            return "switched"

        return await patiently(switch) is not None
