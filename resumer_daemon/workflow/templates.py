"""Templates: lookups put into the texts of an action, in one pass; what was put in is never read.

What is rendered leaves through a request, a message or a record. See `secretrefs` for what stands
in it for a secret: resolve that in what is sent, mask it in everything else.
"""

from collections.abc import Mapping
from typing import Final

from resumer_daemon.workflow import secretrefs
from resumer_daemon.workflow.faults import TemplateFault
from resumer_daemon.workflow.jsontext import Json, dump
from resumer_daemon.workflow.names import Names, resolve
from resumer_daemon.workflow.references import REFERENCE, bare, path_of, reference
from resumer_daemon.workflow.secretrefs import mask_secrets, resolve_secrets, secrets_in
from resumer_daemon.workflow.urls import UrlBuilder
from resumer_daemon.workflow.values import MISSING, printed

__all__ = [
    "SIZE",
    "Names",
    "mask_secrets",
    "reference",
    "render",
    "render_text",
    "render_url",
    "resolve_secrets",
    "secrets_in",
]

SIZE: Final = 4_194_304
"""How many characters a rendered value may have, each member of a list or object being 16."""

_MEMBER: Final = 16


def render(value: Json, context: Mapping[str, Json], names: Names, unresolved: set[str]) -> Json:
    """Return the value with every text in it rendered; keys stay as they are.

    The paths that lead nowhere are added to `unresolved`.

    Raises:
        TemplateFault: It would be larger than `SIZE`, or nests too deeply.
    """
    return _Renderer(context, names, unresolved).value(value)


def render_text(text: Json, context: Mapping[str, Json], names: Names, unresolved: set[str]) -> str:
    """Return the text rendered, for a place where only a text fits; what is no text is printed.

    Raises:
        TemplateFault: It would be larger than `SIZE`, or nests too deeply.
    """
    renderer = _Renderer(context, names, unresolved)
    return renderer.text(text) if isinstance(text, str) else printed(renderer.value(text))


def render_url(text: Json, context: Mapping[str, Json], names: Names, unresolved: set[str]) -> str:
    """Return a URL rendered: each reference is percent-encoded by its position.

    A URL that is one whole reference is taken as it is.

    Raises:
        TemplateFault: It would be too long, or a reference is a path segment of dots.
    """
    if not isinstance(text, str) or reference(text) is not None:
        return render_text(text, context, names, unresolved)
    return _Renderer(context, names, unresolved).url(text)


class _Renderer:
    """One rendering: where it looks things up, and how large it may still become."""

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
        if depth > secretrefs.DEPTH:
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
                if mark := secretrefs.marked(bare(path)):
                    builder.literal(mark)
                else:
                    builder.value(self._piece(path))
                position = match.end()
        builder.literal(self._foreign(text[position:]))
        return builder.build()

    def _whole(self, path: str) -> Json:
        if mark := secretrefs.marked(bare(path)):
            return mark
        found = self._found(path)
        if isinstance(found, list | dict):
            written = dump(found)
            self._spend(len(written))
            # Searching one text is quick, and it is seldom that the value has to be copied.
            return secretrefs.unmarked_within(found) if secretrefs.has_mark(written) else found
        return self._foreign(found) if isinstance(found, str) else found

    def _piece(self, path: str) -> str:
        return secretrefs.marked(bare(path)) or self._foreign(printed(self._found(path)))

    def _found(self, path: str) -> Json:
        found = resolve(path, self._context, self._names)
        if found is MISSING:
            self._unresolved.add(path)
            return None
        return found

    def _foreign(self, text: str) -> str:
        self._spend(len(text))
        return secretrefs.unmarked(text)

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise TemplateFault(f"a rendered value may have at most {SIZE:,} characters")
