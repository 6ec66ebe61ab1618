"""How far a server is trusted, by its address alone."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from resumer_daemon.config import load_settings
from resumer_daemon.database_address import require_tls

LOCAL = [
    "postgresql:///orders",
    "postgresql://localhost/orders",
    "postgresql://127.0.0.1:6432/orders",
    "postgresql://[::1]/orders",
    "postgresql:///orders?host=/run/postgresql",
    "host=127.0.0.1,localhost dbname=orders",
]
SAID = [
    "postgresql://db.internal/orders?sslmode=require",
    "host=db.internal sslmode=disable",
    "service=orders",
]


@pytest.fixture(autouse=True)
def nothing_else_is_said(monkeypatch, tmp_path):
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGHOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("url", LOCAL + SAID)
def test_local_or_explicit_sslmode_is_unchanged(url: str):
    assert require_tls(url, "verify-full") == url


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:p@db.internal:5433/orders", "host=10.0.0.7", "host=localhost,db.internal"],
)
def test_remote_server_needs_verify_full(url: str):
    made = conninfo_to_dict(require_tls(url, "verify-full"))
    assert made == conninfo_to_dict(url) | {"sslmode": "verify-full", "sslrootcert": "system"}


def test_given_root_certificates_are_used(tmp_path, monkeypatch):
    url = "host=db.internal sslrootcert=/etc/ours.pem"
    assert conninfo_to_dict(require_tls(url, "verify-full"))["sslrootcert"] == "/etc/ours.pem"
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    assert "sslrootcert" not in conninfo_to_dict(require_tls("host=db.internal", "verify-full"))


def test_environment_may_weaken_sslmode(monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "require")
    assert require_tls("host=db.internal", "verify-full") == "host=db.internal"


def test_sslmode_setting_is_strict_by_default():
    given = {"database_url": "host=db.internal", "listen_url": "host=other.internal"}
    strict, told = load_settings(**given), load_settings(**given, database_sslmode="require")
    for settings, mode in ((strict, "verify-full"), (told, "require")):
        for url in (settings.url, settings.listening_url):
            assert conninfo_to_dict(url)["sslmode"] == mode
