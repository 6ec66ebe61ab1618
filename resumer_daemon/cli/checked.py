"""One checked definition: what was found, and the pauses that it has no place for."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from resumer_daemon.engine.compatibility import stranded
from resumer_daemon.store.queries import PausedPlace
from resumer_daemon.workflow.checks.document import check
from resumer_daemon.workflow.checks.finding import Finding, error
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.errors import Refused
from resumer_daemon.workflow.parser import normalise
from resumer_daemon.workflow.values import Json, load


@dataclass(frozen=True, slots=True)
class Stranded:
    """Executions that are paused at a place which a definition does not have, and what is gone."""

    place: PausedPlace
    missing: tuple[str, ...]

    @property
    def severity(self) -> str:
        """Who has no copy of the definition goes on with the new one, and cannot."""
        return "warning" if self.place.kept else "error"


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and what was found of it. `stranded` and `paused` None: it was not compared."""

    file: str
    workflow: str | None
    definition: Definition | None
    findings: tuple[Finding, ...]
    paused: int | None = None
    stranded: tuple[Stranded, ...] = ()

    @property
    def fails(self) -> bool:
        """Tell whether an execution would come to grief."""
        severities = [each.severity for each in self.findings]
        return "error" in (*severities, *(each.severity for each in self.stranded))

    def against(self, places: Iterable[PausedPlace]) -> "Checked":
        """Compare with where executions of its workflow are paused."""
        if self.definition is None:
            return self
        places = tuple(places)
        found = ((place, stranded(place.point, self.definition)) for place in places)
        return replace(
            self,
            paused=sum(len(place.executions) for place in places),
            stranded=tuple(Stranded(place, missing) for place, missing in found if missing),
        )


def read_checked(file: Path) -> Checked:
    """Read and check a file, whatever is in it."""
    try:
        document = load(file.read_bytes().decode())
    except UnicodeDecodeError as wrong:
        return Checked(str(file), None, None, (error("$", f"not UTF-8 at byte {wrong.start}"),))
    except ValueError as unreadable:
        return Checked(str(file), None, None, (error("$", str(unreadable)),))
    workflow = document.get("workflow_id") if isinstance(document, dict) else None
    return Checked(
        str(file),
        workflow if isinstance(workflow, str) else None,
        _normalised(document),
        tuple(check(document)),
    )


def _normalised(document: Json) -> Definition | None:
    try:
        return normalise(document)
    except (Refused, ValueError):
        return None


def as_json(checked: Checked) -> Json:
    """Return what was found, for programs."""
    found: dict[str, Json] = {
        "file": checked.file,
        "workflow_id": checked.workflow,
        "findings": [
            {"severity": each.severity, "path": each.path, "message": each.message}
            for each in checked.findings
        ],
    }
    if checked.paused is not None:
        found["paused"] = checked.paused
        found["stranded"] = [_stranded_as_json(each) for each in checked.stranded]
    return found


def _stranded_as_json(each: Stranded) -> Json:
    place = each.place
    return {
        "severity": each.severity,
        "missing": list(each.missing),
        "step_id": place.point.step_id,
        "reason": place.point.reason,
        "version": place.version,
        "goes_on_with": "kept copy" if place.kept else "new definition",
        "since": place.since,
        "executions": list(place.executions),
    }
