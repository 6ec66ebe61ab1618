"""One helper for everything that happens again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import psycopg
import structlog

from resumer_daemon.errors import ResumerError
from resumer_daemon.telemetry.logs import said

log = structlog.get_logger()


SOON = 5.0  # seconds until a failed beat is repeated, at most


async def every(interval: float, beat: Callable[[], Awaitable[None]]) -> NoReturn:
    """Call `beat` now and then every `interval` seconds; a failed beat is logged, repeated soon."""
    while True:
        pause = interval
        try:
            await beat()
        except (psycopg.Error, ResumerError) as error:
            log.warning("beat_failed", beat=beat.__qualname__, error=said(error))
            pause = min(interval, SOON)
        await asyncio.sleep(pause)
