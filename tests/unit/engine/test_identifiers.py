from base64 import b32encode
from hashlib import sha256
from itertools import combinations
from uuid import UUID

from resumer_daemon.engine.identifiers import approval_id, digest, effect_key, request_id, segment
from resumer_daemon.engine.inputs import AdvanceInputs
from tests.unit.engine.driver import NOW

EXECUTION = UUID("00000000-0000-4000-8000-000000000001")


def world(pause_number: int = 0) -> AdvanceInputs:
    return AdvanceInputs(
        now=NOW,
        execution_id=EXECUTION,
        execution_key="exec_1",
        workflow_id="w",
        pause_number=pause_number,
    )


def test_a_key_is_made_of_the_place_and_nothing_else() -> None:
    made_of = sha256(f"{EXECUTION}\n2\n3\n1\neach/17/0".encode())
    key = effect_key(digest(world(2), "each/17/0", visit=3, index="1"))
    assert key == b32encode(made_of.digest()).decode().lower().rstrip("=")
    assert len(key) == 52


def test_no_two_places_share_a_key() -> None:
    digests = [
        digest(world(), "a", 1, "0"),
        digest(world(1), "a", 1, "0"),
        digest(world(), "a", 2, "0"),
        digest(world(), "a", 1, "1"),
        digest(world(), "a/0", 1, "0"),
        digest(world(), "a\n1", 1, "0"),
    ]
    assert all(one != other for one, other in combinations(digests, 2))


def test_no_two_ids_share_a_path() -> None:
    ids = ["a", "a/0", "a~1", "a~10", "a#0", "a~2", "a~", "/", "~", "#"]
    segments = [segment(step_id) for step_id in ids]
    assert len(set(segments)) == len(ids)
    assert not any(set("/#") & set(each) for each in segments)


def test_an_approval_has_an_id_that_is_a_uuid_and_a_public_name() -> None:
    made_of = digest(world(), "ask", 1, "0")
    assert approval_id(made_of).version == 5
    assert request_id(made_of).startswith("appr_")
    assert len(request_id(made_of)) == len("appr_") + 16


def test_a_lone_surrogate_in_an_id_is_no_trouble() -> None:
    assert effect_key(digest(world(), "\ud800", 1, "0"))
