"""The migrations of this version: `migrations/NNNN_name.up.sql` and `.down.sql`.

They are read at the import, as the statements are.
"""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `number` orders them, `sha256` tells a changed one."""

    number: int
    name: str
    up: bytes
    down: bytes

    @property
    def sha256(self) -> str:
        """The fingerprint of what is applied."""
        return sha256(self.up).hexdigest()

    @property
    def entry(self) -> dict[str, int | str]:
        """Its line in the ledger."""
        return {"number": self.number, "name": self.name, "sha256": self.sha256}


def _read() -> list[Migration]:
    folder = files("resumer_daemon.migrations")
    names = sorted(
        f.name.removesuffix(".up.sql") for f in folder.iterdir() if f.name.endswith(".up.sql")
    )
    return [
        Migration(
            number=int(name[:4]),
            name=name,
            up=folder.joinpath(f"{name}.up.sql").read_bytes(),
            down=folder.joinpath(f"{name}.down.sql").read_bytes(),
        )
        for name in names
    ]


_KNOWN: Final = tuple(_read())


def known() -> list[Migration]:
    """Return the migrations of this version, in order."""
    return list(_KNOWN)
