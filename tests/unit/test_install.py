"""`.ci/install`: what the first `make dev` shows while pip works."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "install"

PIP = """
import sys
for n in range(50): print('Collecting package', n); print('  Downloading', n)
print('Installing collected packages: many')
print('ERROR: no space left' if {code} and '-r' in sys.argv else 'Successfully installed')
sys.exit({code} if '-r' in sys.argv else 0)
"""


def ran(tmp_path: Path, code: int) -> subprocess.CompletedProcess[str]:
    """Run the script with another pip, which ends with this code where it installs a lock."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(PIP.format(code=code))
    return subprocess.run(
        [sys.executable, SCRIPT, "what is needed", "one.lock"],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_package_is_a_dot(tmp_path: Path):
    installed = ran(tmp_path, 0)
    assert installed.returncode == 0
    assert installed.stdout.startswith("1/2 Installing what is needed .....")
    assert "50 found, unpacking done\n2/2 Installing the project ..." in installed.stdout
    assert installed.stderr == ""


@pytest.mark.parametrize("code", [1, 2])
def test_a_failure_of_pip_is_shown_and_ends_make(tmp_path: Path, code: int):
    installed = ran(tmp_path, code)
    assert installed.returncode == code
    assert "2/2" not in installed.stdout
    assert "ERROR: no space left" in installed.stderr
