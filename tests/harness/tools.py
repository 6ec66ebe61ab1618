"""Programs of Debian packages, which the tests in `tests/system` need and `make test` does not."""

import os
import shutil
import subprocess

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "pgbouncer": "pgbouncer",
    "curl": "curl",
    "jq": "jq",
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
}
PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))


def tool(name: str) -> str:
    """Return the path of a program. A missing one fails the test, because a skip proves nothing."""
    path = shutil.which(name, path=PLACES)
    assert path, f"{name} is missing: apt-get install {PACKAGES[name]} (.ci/run does)"
    return path


def said(*command: str, cwd: str | None = None) -> str:
    """Run a program to its good end and return what it printed."""
    ran = subprocess.run(
        [tool(command[0]), *command[1:]], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert ran.returncode == 0, f"{' '.join(command)}:\n{ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr
