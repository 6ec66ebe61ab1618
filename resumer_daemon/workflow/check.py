"""Everything that can be told of a definition before it runs."""

from resumer_daemon.workflow.checks.acts import check_acts
from resumer_daemon.workflow.checks.document import check_document
from resumer_daemon.workflow.checks.finding import Finding, error
from resumer_daemon.workflow.checks.flow import check_flow
from resumer_daemon.workflow.checks.lookups import check_lookups
from resumer_daemon.workflow.checks.questions import check_condition
from resumer_daemon.workflow.checks.sites import flows
from resumer_daemon.workflow.checks.steps import check_step
from resumer_daemon.workflow.faults import Refused
from resumer_daemon.workflow.jsontext import Json, Unreadable, clean
from resumer_daemon.workflow.spelling import inner_part, normalise

__all__ = ["Finding", "check"]


def check(document: Json) -> list[Finding]:
    """Return what is wrong with a definition, or probably not meant, subject by subject.

    An error fails an execution that comes there; a definition without one may still run.
    """
    try:
        cleaned = clean(document)
        definition = normalise(cleaned)
    except Unreadable as unreadable:
        return [error("$", str(unreadable))]
    except Refused as refused:
        return [error(refused.path, refused.reason)]
    inner = inner_part(cleaned)
    findings = list(check_document(cleaned, inner))
    if definition.timeout_error is not None:
        path, _, message = definition.timeout_error.partition(": ")
        findings.append(error(path, f"{message}: no execution can start"))
    all_flows = list(flows(definition, inner.members("steps")))
    for flow in all_flows:
        findings += check_flow(flow)
        for site in flow.sites:
            findings += [*check_step(site, flow), *check_condition(site), *check_acts(site)]
    findings += check_lookups(definition, [site for flow in all_flows for site in flow.sites])
    return findings
