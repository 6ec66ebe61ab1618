"""What is installed is whole: each package, and the SQL that lives outside the package folder."""

import shutil
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.harness import Database, eventually_sync
from tests.harness.running import process
from tests.harness.service import Service, allow, ask

ROOT = Path(__file__).parents[3]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests")
BUILD = (
    "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
)


def sql(folder: str) -> set[str]:
    names = {path.name for path in (ROOT / folder).glob("*.sql")}
    assert names
    return names


def packages() -> dict[str, str]:
    """Return the packages of the tree, each with the folder that it is in."""
    inside = [path.parent.relative_to(ROOT) for path in ROOT.glob("resumer_daemon/**/*.py")]
    outside = {"sql", "migrations", "examples"}
    return {".".join(folder.parts): str(folder) for folder in inside} | {
        f"resumer_daemon.{name}": name for name in outside
    }


def test_every_package_is_listed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(settings["tool"]["setuptools"]["packages"]) == set(packages())


@pytest.mark.parametrize("folder", ["sql", "migrations"])
def test_the_installed_program_finds_its_sql(folder: str):
    installed = {path.name for path in files(f"resumer_daemon.{folder}").iterdir()}
    assert sql(folder) <= installed


def test_a_wheel_made_from_the_source_package_is_whole(tmp_path: Path):
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    [source] = built("build_sdist", tree, tmp_path / "source")
    subprocess.run(["tar", "-xzf", source, "-C", tmp_path], check=True)
    [wheel] = built(
        "build_wheel", tmp_path / source.name.removesuffix(".tar.gz"), tmp_path / "wheel"
    )
    contents = set(ZipFile(wheel).namelist())
    assert {
        f"resumer_daemon/{folder}/{name}"
        for folder in ("sql", "migrations")
        for name in sql(folder)
    } <= contents
    assert {f"{name.replace('.', '/')}/__init__.py" for name in packages()} <= contents
    assert "resumer_daemon/py.typed" in contents


def built(what: str, tree: Path, place: Path) -> list[Path]:
    place.mkdir()
    subprocess.run(
        [sys.executable, "-c", BUILD, what, place], cwd=tree, check=True, capture_output=True
    )
    return list(place.iterdir())


def installed(tmp_path: Path) -> Path:
    """Return a folder that holds the package as it is installed."""
    package = tmp_path / "resumer_daemon"
    shutil.copytree(ROOT / "resumer_daemon", package, ignore=LEFT_OUT)
    for folder in ("sql", "migrations", "examples"):
        shutil.copytree(ROOT / folder, package / folder, ignore=LEFT_OUT)
    return package


# C54
def test_a_running_daemon_needs_none_of_its_files(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An upgrade in place replaces them."""
    package = installed(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # not the package of the working directory
    service = Service(database)
    service.workflow(ask(), allow())
    with process(database, tmp_path / "log") as daemon:
        eventually_sync(daemon.ready)
        shutil.rmtree(package)
        execution = service.paused()
        service.decide(service.asked(execution)[0], "approved")
        assert service.ended(execution)["result"] == "allowed"
        assert not [line for line in daemon.log() if line.get("level") in ("warning", "error")]
