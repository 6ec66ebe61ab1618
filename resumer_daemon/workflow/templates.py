"""Templates: resolve references (`{{path}}`, `${path}`) in texts, in one pass.

An inserted value is never read as a template. Rendered values leave in a request, a message or a
record. A secret in them is a mark of `secret_refs`: resolve it in a request, mask it elsewhere.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from resumer_daemon.durations import parse_duration
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow import secret_refs
from resumer_daemon.workflow.errors import TemplateFault
from resumer_daemon.workflow.secret_refs import PREFIX
from resumer_daemon.workflow.url_templates import UrlBuilder
from resumer_daemon.workflow.values import MISSING, Json, dump, find, to_text

# Without braces inside, the search of a text takes linear time.
REFERENCE = re.compile(r"\{\{([^{}]*)\}\}|\$\{([^{}]*)\}")


def path_of(match: re.Match[str]) -> str:
    """Return the path of a match, blank if the braces are empty."""
    return (match[1] if match[2] is None else match[2]).strip()


def reference(text: Json) -> str | None:
    """Return the path if the text is exactly one reference, else None."""
    match = REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return (path_of(match) or None) if match else None


def bare(path: str) -> str:
    """Return a path without blanks."""
    return "".join(path.split())


def follow(path: str, context: Mapping[str, Json]) -> Json:
    """Return the value of a reference, if necessary without its blanks, or `MISSING`."""
    value = find(path, context)
    return find(bare(path), context) if value is MISSING else value


_LATER: Final = re.compile(r"now(?:\+|_plus_)(.+)")
_APPROVAL: Final = "approval.id"

_BUILT_IN: Final[Mapping[str, Callable[["Names"], str]]] = {
    "now": lambda names: rfc3339(names.now),
    "execution.id": lambda names: str(names.execution_id),
    "execution.key": lambda names: names.execution_key,
    "workflow.id": lambda names: names.workflow_id,
    "step.id": lambda names: names.step_id,
    "approval_url": lambda names: names.approval_url,
}


class Names(Frozen):
    """The values of built-in names in one step. A naive `now` is taken as UTC."""

    now: datetime
    execution_id: UUID | str
    execution_key: str
    workflow_id: str
    step_id: str
    approval_id: UUID | str | None = None
    approval_url: str = ""


def rfc3339(moment: datetime) -> str:
    """Return a time as text in UTC, to the second: `2026-01-31T09:30:00Z`."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def resolve(path: str, context: Mapping[str, Json], names: Names) -> Json:
    """Return the value of a path, or `MISSING`. Secrets are not resolved here."""
    name = bare(path)
    if name.startswith(PREFIX):
        return MISSING
    if name in _BUILT_IN:
        return _BUILT_IN[name](names) or MISSING
    if name == _APPROVAL and names.approval_id is not None:
        return str(names.approval_id)
    delay = _delay(name)
    return follow(path, context) if delay is None else _later(names.now, delay)


def is_built_in(path: str) -> bool:
    """Tell whether a path is a built-in name."""
    name = bare(path)
    return name in _BUILT_IN or name == _APPROVAL or _delay(name) is not None


def _delay(name: str) -> float | None:
    match = _LATER.fullmatch(name)
    return parse_duration(match[1]) if match else None


def _later(now: datetime, delay: float) -> Json:
    try:
        return rfc3339(now + timedelta(seconds=delay))
    except OverflowError:
        return MISSING


SIZE: Final = 4_194_304
"""The most characters of a rendered value, each member of a list or object being 16."""

_MEMBER: Final = 16


def render(value: Json, context: Mapping[str, Json], names: Names, unresolved: set[str]) -> Json:
    """Return the value with every text in it rendered. Keys stay unchanged.

    Paths that lead nowhere are added to `unresolved`.

    Raises:
        TemplateFault: The result is larger than `SIZE`, or nests too deeply.
    """
    return _Renderer(context, names, unresolved).value(value)


def render_text(text: Json, context: Mapping[str, Json], names: Names, unresolved: set[str]) -> str:
    """Return a template rendered as text. Other values are written as text.

    Raises:
        TemplateFault: The result is larger than `SIZE`, or nests too deeply.
    """
    renderer = _Renderer(context, names, unresolved)
    return renderer.text(text) if isinstance(text, str) else to_text(renderer.value(text))


def render_url(text: Json, context: Mapping[str, Json], names: Names, unresolved: set[str]) -> str:
    """Return a rendered URL, with references percent-encoded by their positions.

    A URL that is exactly one reference is not encoded.

    Raises:
        TemplateFault: The URL is too long, or a reference is a path segment of dots.
    """
    if not isinstance(text, str) or reference(text) is not None:
        return render_text(text, context, names, unresolved)
    return _Renderer(context, names, unresolved).url(text)


class _Renderer:
    """One rendering: its context, and the characters that remain."""

    def __init__(self, context: Mapping[str, Json], names: Names, unresolved: set[str]) -> None:
        self._context = context
        self._names = names
        self._unresolved = unresolved
        self._left = SIZE

    def value(self, value: Json, depth: int = 0) -> Json:
        self._spend(_MEMBER)
        if isinstance(value, str):
            path = reference(value)
            return self.text(value) if path is None else self._whole(path)
        if not isinstance(value, list | dict):
            return value
        if depth > secret_refs.DEPTH:
            raise TemplateFault("nested too deeply")
        if isinstance(value, list):
            return [self.value(member, depth + 1) for member in value]
        members = value.items()
        return {self._foreign(key): self.value(member, depth + 1) for key, member in members}

    def text(self, text: str) -> str:
        pieces: list[str] = []
        position = 0
        for match in REFERENCE.finditer(text):
            if path := path_of(match):
                pieces += self._foreign(text[position : match.start()]), self._piece(path)
                position = match.end()
        return "".join([*pieces, self._foreign(text[position:])])

    def url(self, text: str) -> str:
        builder = UrlBuilder()
        position = 0
        for match in REFERENCE.finditer(text):
            if path := path_of(match):
                builder.literal(self._foreign(text[position : match.start()]))
                if mark := secret_refs.marked(bare(path)):
                    builder.literal(mark)
                else:
                    builder.value(self._piece(path))
                position = match.end()
        builder.literal(self._foreign(text[position:]))
        return builder.build()

    def _whole(self, path: str) -> Json:
        if mark := secret_refs.marked(bare(path)):
            return mark
        found = self._found(path)
        if isinstance(found, list | dict):
            written = dump(found)
            self._spend(len(written))
            # Searching a text is fast, and few values must be copied.
            return secret_refs.unmarked_within(found) if secret_refs.has_mark(written) else found
        return self._foreign(found) if isinstance(found, str) else found

    def _piece(self, path: str) -> str:
        return secret_refs.marked(bare(path)) or self._foreign(to_text(self._found(path)))

    def _found(self, path: str) -> Json:
        found = resolve(path, self._context, self._names)
        if found is MISSING:
            self._unresolved.add(path)
            return None
        return found

    def _foreign(self, text: str) -> str:
        self._spend(len(text))
        return secret_refs.unmarked(text)

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise TemplateFault(f"a rendered value may have at most {SIZE:,} characters")
