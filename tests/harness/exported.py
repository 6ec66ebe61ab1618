"""The names of the series that a daemon exports, and those that an expression asks for."""

import re

from tests.unit.documents import metrics_table, rows

SUFFIXES = ("_bucket", "_sum", "_count")


def exported() -> set[str]:
    """Return the name of every series, as Prometheus knows them."""
    names = {row[0] for row in rows(metrics_table())}
    return names | {f"{name}{suffix}" for name in names for suffix in SUFFIXES}


def used(expression: str) -> set[str]:
    """Return the names of our metrics in an expression of PromQL."""
    return set(re.findall(r"\b(?:resumer|process)_\w+", expression))
