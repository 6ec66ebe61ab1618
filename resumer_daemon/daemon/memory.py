"""How often Python looks for garbage: what is there at the start stays, and a batch has none.

A turn makes thousands of values that live until its end. Looked through every 700 of them, as
Python does unless told, they cost a fifth of a busy daemon.
"""

import gc

YOUNG, MIDDLE, OLD = 50_000, 20, 20


def tune_gc() -> None:
    """Keep what is loaded out of every look, and look less often. For the whole process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
