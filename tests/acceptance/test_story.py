"""`resumer-daemon dev`: a person with Python alone sees a workflow pause and resume."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import psycopg

from tests.harness import eventually_sync
from tests.harness.running import environment

DEV = [sys.executable, "-m", "resumer_daemon", "dev"]


def test_the_story_is_told_and_ends_by_itself_also_a_second_time(tmp_path: Path):
    first = told(tmp_path)
    assert first.count("is paused at") == 3
    for verdict in ("approved", "rejected"):
        assert f"UPDATE approval_requests SET status = '{verdict}'" in first
    assert re.search(r"is completed as allowed, resumed [\d.]+ ms after the decision", first)
    assert len(re.findall("is completed as blocked", first)) == 2
    assert "no decision before the deadline" in first
    for step in ("is_high_value", "is_trusted_customer", "ask_sales_manager", "let_it_go"):
        assert step in first
    assert told(tmp_path).count("is paused at") == 3
    assert not list(tmp_path.glob("**/postmaster.pid")), "its database has ended with it"


def told(folder: Path) -> str:
    ended = subprocess.run(
        [*DEV, "--once"],
        cwd=folder,
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    return ended.stdout


def test_without_once_it_stays_for_a_person_to_decide(tmp_path: Path):
    log = tmp_path / "log"
    with log.open("wb") as output:
        dev = subprocess.Popen(
            DEV, cwd=tmp_path, env=environment(None), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        eventually_sync(lambda: "Ctrl-C stops it" in log.read_text(), 60)
        said = dict(
            re.findall(
                r"^  (connect|shell|decide|look|metrics) +(.+)$", log.read_text(), re.MULTILINE
            )
        )
        with urlopen(said["metrics"], timeout=10) as metrics:  # noqa: S310
            assert b"resumer_resume_latency_seconds" in metrics.read()
        assert said["shell"].endswith(
            f"RESUMER_DATABASE_URL={said['connect'].removeprefix('psql ')}"
        )
        execution = said["look"].rsplit(maxsplit=1)[1]
        with psycopg.connect(said["connect"].removeprefix("psql "), autocommit=True) as person:
            person.execute(said["decide"].encode())
            eventually_sync(lambda: result_of(person, execution) == ("completed", "allowed"))
        dev.send_signal(signal.SIGINT)
        assert dev.wait(60) == 0
        assert not list(tmp_path.glob("**/postmaster.pid"))
    finally:
        dev.kill()
        dev.wait()
        sys.stdout.write(log.read_text())


def result_of(person: psycopg.Connection, execution: str) -> object:
    return person.execute(
        "SELECT status, result FROM workflow_executions WHERE execution_id = %s", [execution]
    ).fetchone()
