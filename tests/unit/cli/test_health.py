"""`health`: the address of the daemon, from the settings that the daemon has."""

import pytest

from resumer_daemon.cli.health import daemon_url


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://127.0.0.1:9464"),
        ({"RESUMER_HTTP_PORT": "8080"}, "http://127.0.0.1:8080"),
        ({"resumer_http_port": "8080"}, "http://127.0.0.1:8080"),
        ({"RESUMER_HTTP_HOST": "0.0.0.0"}, "http://127.0.0.1:9464"),  # noqa: S104
        ({"RESUMER_HTTP_HOST": "::", "RESUMER_HTTP_PORT": "1"}, "http://[::1]:1"),
        ({"RESUMER_HTTP_HOST": "10.1.2.3"}, "http://10.1.2.3:9464"),
        ({"RESUMER_HTTP_HOST": "", "RESUMER_HTTP_PORT": ""}, "http://127.0.0.1:9464"),
    ],
)
def test_health_asks_the_address_on_which_the_daemon_listens(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str
):
    for name in ("RESUMER_HTTP_HOST", "RESUMER_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert daemon_url() == url
