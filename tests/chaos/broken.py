"""Daemons with one thing wrong each: what the checker must see.

Each is the real daemon with one function replaced, named by `BROKEN_DAEMON`.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from resumer_daemon.__main__ import main
from resumer_daemon.daemon import effect_sender, isolation
from resumer_daemon.effects import http_client
from resumer_daemon.engine import moves, resume, settlement
from resumer_daemon.engine.inputs import ClaimedExecution, Pause
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.engine.vocabulary import RequestOutcome
from resumer_daemon.store import leases
from resumer_daemon.store.leases import LeasedExecution
from resumer_daemon.store.statements import TEXTS

DELAY = 1.0


def key_of_each_attempt() -> None:
    """Send under a key that nobody can know a second time."""
    prepare: Callable[..., Any] = vars(http_client)["prepare_request"]

    def changed(effect: Effect, *rest: object) -> object:
        return prepare(replace(effect, key=uuid4().hex), *rest)

    _replace(http_client, "prepare_request", changed)


def sent_without_key() -> None:
    """Send what no receiver can tell from anything else, and mark it afterwards."""
    prepare: Callable[..., Any] = vars(http_client)["prepare_request"]

    def bare(effect: Effect, *rest: object) -> object:
        return prepare(replace(effect, key=""), *rest)

    _replace(http_client, "prepare_request", bare)


def marked_then_sent() -> None:
    """Record that it is done, and send it a moment later."""
    attempt = effect_sender.EffectSender._attempt
    later = set()

    async def marked(
        self: effect_sender.EffectSender, held: LeasedExecution, effect: Effect
    ) -> EffectResult:
        async def send() -> None:
            await asyncio.sleep(DELAY)
            await attempt(self, held, effect)

        later.add(asyncio.create_task(send()))
        return EffectResult(data={"status_code": 200})

    _replace(effect_sender.EffectSender, "_attempt", marked)


def sent_without_intent() -> None:
    """Send what no row of the journal speaks of."""
    record: Callable[..., Any] = leases._intents

    def forgotten(*given: Any) -> Mapping[str, Any]:
        return dict.fromkeys(record(*given), "{}")

    _replace(leases, "_intents", forgotten)


def settled_for_all() -> None:
    """Hear the branch that has waited longest, and take what is void for it as void for all."""
    decisions = settlement._decisions

    def of_the_longest(pause: Pause, claimed: ClaimedExecution) -> dict[str, Any]:
        shown = {branch.path for branch in pause.branches[:1]}
        heard = decisions(pause, claimed)
        return {path: part for path, part in heard.items() if path in shown}

    def as_settled(found: settlement.Settlement, *_: object) -> Mapping[int, RequestOutcome]:
        return found.outcomes

    _replace(settlement, "_decisions", of_the_longest)
    _replace(moves, "_outcomes", as_settled)


def resumed_without_a_word() -> None:
    """Let what an earlier gate said stand where a person has overridden this one."""
    _replace(resume, "_override", lambda _: {})


def looking_back_at_everything() -> None:
    """Hand over the oldest event of its type, whoever it is of."""
    _rewrite(
        "record.requeue_past_events",
        "      AND resumer.may_end(w.match, w.entities, v.payload)\n",
        "",
    )
    _rewrite("record.requeue_past_events", "SELECT w.anchor = ''", "SELECT true OR w.anchor = ''")


def turns_never_halved() -> None:
    """Repeat a turn that failed as it was."""
    _replace(isolation.Isolation, "take", lambda *_: None)


def adoptions_never_missed() -> None:
    """Look for no execution that the service ended unseen, not even when it is decided."""
    _rewrite("maintenance.reconcile_executions", "s.result = 'blocked'", "false")
    _rewrite(
        "claim.read_executions",
        "FILTER (WHERE r.kind = 'approval') > 0",
        "FILTER (WHERE false) > 0",
    )


def _rewrite(statement: str, part: str, by: str) -> None:
    """Replace a part of a statement, which has to be there."""
    assert part in TEXTS[statement]
    TEXTS[statement] = TEXTS[statement].replace(part, by)


GUARD = """
DO $do$
DECLARE
  was text := pg_get_functiondef('resumer.is_ours'::regproc);
BEGIN
  IF strpos(was, $part${part}$part$) = 0 THEN
    RAISE EXCEPTION 'the guard has no such part';
  END IF;
  EXECUTE replace(was, $part${part}$part$, $part${by}$part$);
END $do$
"""

DATABASES: Mapping[str, str] = {
    "guard_without_leases": GUARD.format(
        part="l.lease_until IS NOT NULL",
        by="false",
    ),
    "guard_of_pauses_alone": GUARD.format(
        part="r.kind::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY['start', 'cancel'])",
        by="false",
    ),
}
"""The same for what is wrong with the database: statements to be run beforehand."""


def _replace(where: object, name: str, by: object) -> None:
    """Replace what is there: a name that is gone is an error, not a daemon without a fault."""
    getattr(where, name)
    setattr(where, name, by)


if __name__ == "__main__":
    broken = os.environ["BROKEN_DAEMON"]
    if broken not in DATABASES:
        globals()[broken]()
    main()
