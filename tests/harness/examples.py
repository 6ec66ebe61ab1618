"""The number of examples of a property test. `make properties` draws five times as many."""

import os

_TIMES = int(os.environ.get("RESUMER_TEST_EXAMPLES", "1"))


def examples(number: int) -> int:
    """Return how many examples to draw where `make test` draws `number`."""
    return number * _TIMES
