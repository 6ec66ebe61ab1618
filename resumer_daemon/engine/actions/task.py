"""One action of an `execute` list in hand: its parameters rendered, its failures named."""

from dataclasses import dataclass, field

from resumer_daemon.engine.keys import digest
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import Act, Step
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import Names, render, render_text, render_url
from resumer_daemon.workflow.values import Json


class ActionFailed(Exception):
    """An action has failed in a way that another attempt may mend, unless that is `final`."""

    def __init__(
        self, error: str, retry_class: str | None, shown: dict[str, Json], *, final: bool = False
    ) -> None:
        super().__init__(error)
        self.retry_class = retry_class
        self.shown = shown
        self.final = final


@dataclass(slots=True)
class Task:
    """What an action works with. `index` is its place in the list."""

    act: Act
    index: int
    step: Step
    place: Place
    walk: Walk
    progress: Progress
    names: Names
    unresolved: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """Return the place of this action in the definition."""
        return f"{self.place.path}#{self.index}"

    def digest(self) -> bytes:
        """Return what the names of this action are made of."""
        return digest(self.walk.world, self.place.path, self.place.visit, str(self.index))

    def value(self, name: str) -> Json:
        """Return a parameter rendered, with its type; None where there is none."""
        given = self.act.params.get(name)
        if given is None:
            return None
        return render(given, self.place.context, self.names, self.unresolved)

    def text(self, name: str) -> str | None:
        """Return a parameter rendered as text; None where there is none or nothing is left."""
        given = self.act.params.get(name)
        if given is None:
            return None
        return self.rendered(given) or None

    def rendered(self, given: Json) -> str:
        """Return any template as text."""
        return render_text(given, self.place.context, self.names, self.unresolved)

    def needed(self, name: str) -> str:
        """Return a parameter as text.

        Raises:
            Fault: It is missing, or empty.
        """
        return self._given(name, self.text(name))

    def url(self) -> str:
        """Return the parameter `url`, with each reference percent-encoded by its position.

        Raises:
            Fault: It is missing or empty, or cannot be rendered.
        """
        given = self.act.params.get("url")
        if given is None:
            raise self.needs("url")
        url = render_url(given, self.place.context, self.names, self.unresolved)
        return self._given("url", url)

    def _given(self, name: str, text: str | None) -> str:
        if text is None or not text.strip():
            raise self.needs(name)
        return text

    def needs(self, name: str) -> Fault:
        """Return the fault of an action without something that it needs."""
        return Fault(f"{self.act.type} needs {name}")


def shown(**parameters: Json) -> dict[str, Json]:
    """Return rendered parameters fit to be recorded: no secrets, and nothing that was not given."""
    return {name: mask_secrets(value) for name, value in parameters.items() if value is not None}
