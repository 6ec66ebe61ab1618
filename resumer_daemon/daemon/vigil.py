"""When to look again although nobody calls: quiet NOTIFY.

A commit that notifies takes a lock of the whole database, so while a daemon looks often anyway it
says "awake" in `resumer.control`, and triggers are silent. A writer may read "awake" and commit
long after. So nobody sleeps before every transaction is gone that was open when "awake" was last
seen: `newest` of a look that saw nobody awake is reached by `oldest` of a later one. Then once
more, for what was committed between that look's claim and its question; then until somebody calls.
"""

from time import monotonic
from typing import Final

from resumer_daemon.store.inbox import Outlook

STEPS: Final = (0.005, 0.01, 0.02)
"""How long after the last work to look again; the last step is the longest wait of a decision."""

LATE: Final = 0.5
"""How often to look for who has read "awake" and has not committed yet."""

MANY_FOUND: Final = 20
"""After so many executions turn after turn, to be called would cost the writers more.

One at a time, however often, costs them nothing that they would notice, and a call is quicker.
"""

RENEWED: Final = 0.5
"""How often "awake" is said again; it holds for a second (`sql/stay_awake.sql`)."""


class Vigil:
    """What one worker knows of who is awake. A new connection begins a new one."""

    def __init__(self) -> None:
        self.awake = False
        self._said = 0.0
        self._found = 0
        self._step = 0
        self._sure = False
        self._mark: int | None = None

    def worked(self, found: int) -> None:
        """A turn found work: so many executions."""
        self._found += found
        self._step = 0

    @property
    def stays_awake(self) -> bool:
        """Tell whether "awake" should be said now, for the first time or again."""
        busy = self.awake or self._found >= MANY_FOUND
        return busy and monotonic() - self._said >= RENEWED

    def said_awake(self) -> None:
        """It was said, and committed."""
        self.awake = True
        self._said = monotonic()

    @property
    def lies_down(self) -> bool:
        """Tell whether "awake" should be withdrawn: all steps have passed without work."""
        return self.awake and self._step == len(STEPS)

    def withdrew(self) -> None:
        """It was withdrawn, and committed."""
        self.awake, self._sure, self._mark = False, False, None
        self._said = 0.0

    def rest(self, outlook: Outlook) -> float | None:
        """Return the seconds after which to look again, having found nothing; None: sleep."""
        self._found = 0
        if self.awake:
            self._step += 1
            return STEPS[self._step - 1]
        if outlook.awake_for is not None:  # another daemon; should it die, its writers stay silent
            self._sure, self._mark = False, None
            return min(outlook.awake_for, LATE)
        if self._sure:
            return None
        self._mark = outlook.newest if self._mark is None else self._mark
        self._sure = outlook.oldest >= self._mark
        return 0.0 if self._sure else LATE
