"""Reads of the context: tried again at once, for the execution does not begin without them."""

from collections.abc import Mapping
from time import monotonic

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from resumer_daemon.effects.answer import Answer
from resumer_daemon.effects.http import HttpClient
from resumer_daemon.engine.outcome import Effect


async def load_context(
    client: HttpClient,
    effect: Effect,
    *,
    attempts: int,
    patience: float,
    deadline: float,
    trace: Mapping[str, str],
) -> Answer:
    """Ask an endpoint, up to so often, `patience` seconds each and `deadline` seconds in all.

    The last answer is returned, whatever it is; what no other attempt can mend is not asked again.
    """
    ends = monotonic() + deadline

    async def ask() -> Answer:
        left = max(0.0, min(patience, ends - monotonic()))
        return await client.send(effect, deadline=left, trace=trace)

    retrying = AsyncRetrying(
        retry=retry_if_result(_may_pass),
        stop=stop_after_attempt(attempts) | stop_after_delay(deadline),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
        retry_error_callback=_last,
    )
    return await retrying(ask)


def _may_pass(answer: Answer) -> bool:
    """Tell a failure of the moment: no answer, too much to do, or an error of the server's own."""
    failed_as = answer.retry_class or ""
    return failed_as in ("timeout", "connection", "408", "429") or failed_as.startswith("5")


def _last(state: RetryCallState) -> Answer:
    if state.outcome is None:
        raise LookupError("a retry without an attempt")
    answer: Answer = state.outcome.result()
    return answer
