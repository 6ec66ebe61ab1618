"""Credentials of every kind: our tokens, the service's keys and JWTs, good ones and bad ones."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import jwt

from resumer_daemon.api.auth import Permission
from resumer_daemon.store.tokens import fingerprint
from tests.harness.database import Database
from tests.harness.service import Service

ALL = tuple(permission.scope for permission in Permission)
SECRET = "the service's secret, which nobody else has and which is long enough"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Holders:
    """Makes credentials of one organisation, or of none."""

    database: Database
    organization: UUID | None = None

    @classmethod
    def of(cls, database: Database) -> "Holders":
        """Make those of the organisation that is there from the beginning, if there is one."""
        of = Service(database).organization() if database.vintage == "v5" else None
        return cls(database, of)

    def token(self, scopes: Sequence[str] = ALL, *, lasts: str = "1 hour", name: str = "") -> str:
        """Make a token of ours, `lasts` from now on."""
        text = f"resumer_{uuid4().hex}"
        self.database.run(
            "INSERT INTO resumer.tokens (name, sha256, permissions, organization_id, expires_at)"
            " VALUES (%s, %s, %s, %s, now() + %s::interval)",
            name or text,
            fingerprint(text),
            list(scopes),
            self.organization,
            lasts,
        )
        return text

    def revoked(self) -> str:
        """Make a token that was revoked."""
        text = self.token()
        self.database.run(
            "UPDATE resumer.tokens SET revoked_at = now() WHERE sha256 = %s", fingerprint(text)
        )
        return text

    def key(self, scopes: Sequence[str] | None = ALL, **values: object) -> str:
        """Make a key of the service."""
        text = f"sk_{uuid4().hex}"
        owner = {} if self.organization is None else {"organization_id": self.organization}
        filled = {"key_hash": fingerprint(text), "key_prefix": "sk_", "name": "console"}
        listed = None if scopes is None else list(scopes)
        Service(self.database).insert("api_keys", **filled, scopes=listed, **owner, **values)
        return text

    def jwt(self, permissions: object = ALL, **claims: object) -> str:
        """Make a JWT of the service for an hour; a claim that is None is left out."""
        filled = {
            "sub": "mia",
            "permissions": permissions,
            "exp": int(time.time()) + 3600,
            "organization_id": None if self.organization is None else str(self.organization),
            **claims,
        }
        kept = {name: value for name, value in filled.items() if value is not None}
        return jwt.encode(kept, SECRET, algorithm="HS256")

    def unsigned(self) -> str:
        """Make a JWT that says it needs no signature."""
        _, body, _ = self.jwt().split(".")
        head = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
        return f"{head}.{body}."

    def forged(self, algorithm: str = "HS256", secret: str = SECRET) -> str:
        """Make a JWT of another algorithm, or with another secret."""
        claims = jwt.decode(self.jwt(), options={"verify_signature": False})
        return jwt.encode(claims, secret, algorithm=algorithm)
