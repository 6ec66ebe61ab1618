"""What approvals decide together, beside a policy that tries everything."""

from collections.abc import Sequence
from itertools import combinations_with_replacement, permutations, product
from uuid import UUID

import pytest

from resumer_daemon.engine.inputs import Approval
from resumer_daemon.engine.policy import decide
from resumer_daemon.engine.state import WaitCondition

ANN, BOB = UUID(int=1), UUID(int=2)


def approval(number: int, status: str, approver: UUID | None = None, role: str = "r") -> Approval:
    return Approval(UUID(int=100 + number), f"appr_{number}", status, approver, role)


def by_trying(approvals: Sequence[Approval], waiting: WaitCondition) -> str | None:
    """Decide as the page says it, in the plainest way."""
    statuses = {each.status for each in approvals}
    for refusal in ("rejected", "expired"):
        if refusal in statuses:
            return refusal
    roles_of: dict[UUID, set[str | None]] = {}
    for each in approvals:
        if each.status == "approved":
            roles_of.setdefault(each.approver_id or each.id, set()).add(each.approver_role)
    needed = waiting.approvals or len(waiting.roles) or len(approvals)
    covered = any(
        all(role in roles_of[person] for role, person in zip(waiting.roles, people, strict=True))
        for people in permutations(roles_of, len(waiting.roles))
    )
    return "approved" if roles_of and covered and len(roles_of) >= needed else None


@pytest.mark.parametrize("roles", [(), ("r",), ("r", "s"), ("r", "r")])
@pytest.mark.parametrize("needed", [None, 1, 2, 3])
def test_it_decides_like_one_that_tries_everything(roles, needed) -> None:
    waiting = WaitCondition(needed, roles)
    statuses = ("pending", "approved", "rejected", "expired", " Approved ")
    kinds = list(product(statuses, (ANN, BOB, None), "rs"))
    for size in (0, 1, 2):
        for chosen in combinations_with_replacement(kinds, size):
            agree([approval(number, *each) for number, each in enumerate(chosen)], waiting)


def test_it_finds_who_can_stand_for_which_role() -> None:
    kinds = list(product(("approved", "pending"), (ANN, BOB, None), "rs"))
    for roles in (("r", "s"), ("r", "r", "s")):
        for chosen in combinations_with_replacement(kinds, 4):
            agree(
                [approval(number, *each) for number, each in enumerate(chosen)],
                WaitCondition(roles=roles),
            )


def agree(approvals: list[Approval], waiting: WaitCondition) -> None:
    verdict = decide(approvals, waiting)
    assert (verdict and verdict.decision) == by_trying(approvals, waiting), (approvals, waiting)
    if verdict is not None:
        assert {each.status for each in verdict.counted} == {verdict.decision}


def test_an_approval_that_must_not_count_is_missing() -> None:
    against = approval(1, "approved", ANN)._replace(guard_violation="approved by who asked")
    assert decide([against], WaitCondition(1)) is None
    both = decide([against, approval(2, "approved", BOB)], WaitCondition(1))
    assert both is not None
    assert [each.approver_id for each in both.counted] == [BOB]


def test_the_last_to_approve_is_the_deciding_one() -> None:
    early, late = approval(1, "approved", ANN), approval(2, "approved", BOB)
    verdict = decide(
        [late._replace(decided_at="2026-01-31T09:31:00Z"),
         early._replace(decided_at="2026-01-31T09:30:00Z")],
        WaitCondition(2),
    )  # fmt: skip
    assert verdict is not None
    assert verdict.deciding.approver_id == BOB
