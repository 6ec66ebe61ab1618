"""The service's JWTs: HS256 with its secret, which lists permissions and names an organisation."""

from typing import Any
from uuid import UUID

import jwt

from resumer_daemon.api.caller import Caller
from resumer_daemon.workflow.values import storable

ALGORITHMS = ["HS256"]  # and `none` never
LONGEST_JWT = 200  # characters of a name
NAMES = ("sub", "user_id", "username", "email")
"""The claims that say who it is; the first that is there names the actor."""

# Only what says until when is needed. Of the rest, the service writes what it likes. PyJWT would
# compare the times with this machine's clock.
CHECKS: Any = {
    "require": ["exp"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
}


def read(token: str, secret: str, now: float) -> Caller | None:
    """Return whom a token speaks for; None where it is forged, expired or not understood.

    `now` is the database's time, in seconds since 1970.
    """
    try:
        claims = jwt.decode(token, secret, algorithms=ALGORITHMS, options=CHECKS)
        if not int(claims.get("nbf", 0)) <= now < int(claims["exp"]):
            return None
        organization = claims.get("organization_id")
        of = None if organization is None else UUID(str(organization))
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    name = storable(next((str(claims[name]) for name in NAMES if claims.get(name)), "unnamed"))
    scopes = frozenset(texts(claims.get("permissions")))
    return Caller(f"user:{of}:{name}", f"user:{name[:LONGEST_JWT]}", scopes, of)


def texts(found: object) -> list[str]:
    """Return the texts of a list; of anything else, none."""
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
