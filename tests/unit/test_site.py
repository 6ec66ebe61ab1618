"""The built documentation needs nothing from elsewhere, and every page is in its navigation."""

import re
import subprocess
import sys
from pathlib import Path

from tests.unit.documents import ROOT

LOADED = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]+)"|<link\b[^>]*href="([^"]+)"'
)


def test_site_loads_nothing_from_other_hosts(tmp_path: Path):
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", str(tmp_path)]
    built = subprocess.run(
        build,
        cwd=ROOT,
        env={"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = [page.read_text("utf-8") for page in tmp_path.glob("*.html")]
    assert len(pages) > 15
    loaded = {address for page in pages for pair in LOADED.findall(page) for address in pair}
    assert loaded
    assert not [address for address in loaded if re.match(r"(https?:)?//", address)]
    styles = [style.read_text("utf-8") for style in tmp_path.rglob("*.css")]
    assert not [style for style in styles if re.search(r"url\([\"']?(https?:)?//|@import", style)]
