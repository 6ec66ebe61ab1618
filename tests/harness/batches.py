"""A batch processor on a database, without the worker around it."""

from uuid import uuid4

from resumer_daemon.config import load_settings
from resumer_daemon.daemon.batch import BatchProcessor
from resumer_daemon.daemon.newer_states import NewerStates
from resumer_daemon.daemon.scan_window import ScanWindow, StatusReader
from resumer_daemon.daemon.suspects import Suspects
from resumer_daemon.store.definition_cache import DefinitionCache
from resumer_daemon.store.leases import LeaseOwner


def processor(url: str, *, window: ScanWindow | None = None, **settings: object) -> BatchProcessor:
    """Return the processor of a worker with these settings, which runs one effect at a time."""
    chosen = load_settings(database_url=url, **settings)
    return BatchProcessor(
        chosen,
        DefinitionCache(),
        LeaseOwner(uuid4(), chosen.lease, effect_deadline=1.0),
        lambda: 1,
        window or ScanWindow(),
        Suspects(),
        NewerStates(),
        reader=StatusReader(chosen),
    )
