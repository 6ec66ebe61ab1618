"""Programs of Debian packages that tests need: where one is missing, the test says which."""

import shutil
import subprocess

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


def tool(name: str) -> str:
    """Return the path of a program. It is never skipped: without it nothing would be proved."""
    path = shutil.which(name)
    assert path, f"{name} is missing: apt-get install {PACKAGES[name]} (.ci/run does)"
    return path


def said(*command: str, cwd: str | None = None) -> str:
    """Run a program to its good end and return what it printed."""
    ran = subprocess.run(
        [tool(command[0]), *command[1:]], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert ran.returncode == 0, f"{' '.join(command)}:\n{ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr
