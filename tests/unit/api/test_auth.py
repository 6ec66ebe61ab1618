"""The service's JWTs: whatever is in them, they are read, or they are worth nothing."""

import json
from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumer_daemon.api.auth import LONGEST_JWT, read_jwt
from tests.harness.client import SECRET

NOW = 1_800_000_000.0
FAR = 32_000_000_000
OF = "7b1c7b0e-3c5f-4c1e-9d53-5b2f0f6f0a11"

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "jti", "permissions"])


def signed(claims: Any) -> str:
    return jwt.api_jws.encode(json.dumps(claims).encode(), SECRET, "HS256")


def test_a_jwt_says_who_it_is_what_it_may_and_of_which_organisation():
    claims = {"exp": FAR, "sub": "mia", "permissions": ["execution:read"], "organization_id": OF}
    caller = read_jwt(signed(claims), SECRET, NOW)
    assert caller is not None
    assert (caller.actor, caller.scopes) == ("user:mia", frozenset({"execution:read"}))
    assert (caller.organization, caller.everywhere) == (UUID(OF), False)


def test_what_other_programs_write_beside_it_is_no_fault():
    claims = {"exp": FAR, "sub": 7, "aud": "service", "iss": "service", "iat": FAR, "jti": 1}
    caller = read_jwt(signed(claims), SECRET, NOW)
    assert caller is not None
    assert caller.actor == "user:7"


def test_two_of_different_organisations_are_two_callers():
    one, other = (read_jwt(signed({"exp": FAR, "sub": "mia", **o}), SECRET, NOW)
                  for o in ({}, {"organization_id": OF}))  # fmt: skip
    assert one
    assert other
    assert one.identity != other.identity


@pytest.mark.parametrize("exp", [None, "soon", [], {}, 0, -1, NOW, 1e400, True, "1e999"])
def test_an_end_that_is_none_or_past_is_worth_nothing(exp: object):
    assert read_jwt(signed({"exp": exp, "sub": "mia"}), SECRET, NOW) is None


def test_a_name_is_cut_and_cleaned_for_the_record():
    caller = read_jwt(signed({"exp": FAR, "sub": "\0" + "x" * 5_000}), SECRET, NOW)
    assert caller is not None
    assert caller.actor == "user:\ufffd" + "x" * (LONGEST_JWT - 1)


@pytest.mark.parametrize(("nbf", "counts"), [(NOW, True), (NOW + 1, False), ("soon", False)])
def test_a_jwt_that_begins_later_is_worth_nothing_yet(nbf: object, counts: bool):
    assert (read_jwt(signed({"exp": FAR, "nbf": nbf}), SECRET, NOW) is not None) is counts


@given(st.dictionaries(names | st.text(), anything, max_size=6) | anything)
def test_signed_claims_of_any_kind_are_read_or_worth_nothing(claims: object):
    caller = read_jwt(signed(claims), SECRET, NOW)
    assert caller is None or not caller.everywhere


@given(st.text(), anything, st.sampled_from(["none", "None", "HS384", "RS256", "", "hs256"]))
def test_what_is_not_signed_with_the_secret_is_worth_nothing(end: str, head: object, name: str):
    body = {"exp": FAR, "permissions": ["execution:cancel"]}
    for header in ({"alg": name}, {"alg": "HS256", "more": head}, head):
        parts = [
            urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in (header, body)
        ]
        assert read_jwt(".".join([*parts, end]), SECRET, NOW) is None
