"""The real daemon with a fault of ours where secrets are at hand, named by `RESUMER_FAULT`.

The daemon expects none there, so this is what it shows of a fault that nobody has thought of.
"""

import os
from typing import Any, NoReturn

from resumer_daemon.__main__ import main
from resumer_daemon.api import auth
from resumer_daemon.daemon import batch, worker
from resumer_daemon.effects import http_message

FAULTS: dict[str, tuple[Any, str]] = {
    "planning_failed": (batch, "plan_claimed"),  # beside the execution's payload
    "effect_run_failed": (http_message.Signer, "headers"),  # beside the headers of a webhook
    "http_failed": (auth, "find_credential"),  # beside the bearer of a request
    "Traceback": (worker.Worker, "_wait"),  # beside the settings; it ends the process
}
"""Where a fault is, by what is logged of it."""


def fail(*_given: object, **_named: object) -> NoReturn:
    """Fail with a secret in a local variable."""
    secret = os.environ["RESUMER_SECRET_TOKEN"]
    headers = {"Authorization": f"Bearer {secret}"}
    raise RuntimeError(f"a fault of ours, with {len(headers)} headers")


if __name__ == "__main__":
    where, name = FAULTS[os.environ["RESUMER_FAULT"]]
    getattr(where, name)  # a name that is gone is an error, not a daemon without a fault
    setattr(where, name, fail)
    main()
