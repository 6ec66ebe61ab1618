"""`health`: ask a daemon whether it is ready, for a container's health check.

It is apart from `run`, because it runs every few seconds and needs neither the daemon nor FastAPI.
"""

import os
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import typer

from resumer_daemon.cli.common import REFUSED, console, errors, in_lines

HOST, PORT = "127.0.0.1", "9464"  # as in `config`, which takes 0.2 s to import


def daemon_url() -> str:
    """Return the address at which a daemon with these settings listens, seen from this machine."""
    given = {name.upper(): value for name, value in os.environ.items() if value}
    host = given.get("RESUMER_HTTP_HOST", HOST)
    host = {"0.0.0.0": HOST, "::": "::1"}.get(host, host)  # noqa: S104 (it is compared)
    port = given.get("RESUMER_HTTP_PORT", PORT)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def health(
    url: Annotated[
        str | None,
        typer.Option(
            help="The address of the daemon. Default: that of RESUMER_HTTP_HOST and"
            " RESUMER_HTTP_PORT.",
            envvar="RESUMER_HEALTH_URL",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Ask a daemon whether it is ready.

    Exit code 1: it is degraded, or does not respond.

    [dim]Example: resumer-daemon health[/]
    """
    url = url or daemon_url()
    try:
        with urlopen(f"{url}/readyz", timeout=3) as response:  # noqa: S310 (an operator's own URL)
            console.print(in_lines(response.read().decode()), highlight=False)
    except HTTPError as error:
        errors.print(in_lines(error.read().decode()), highlight=False)
        raise typer.Exit(REFUSED) from error
    except (URLError, OSError, ValueError) as error:
        why = error.reason if isinstance(error, URLError) else error
        errors.print(
            in_lines(
                f"no daemon at {url}: {why}\n  start one with `resumer-daemon run`, or give its"
                " address with --url, RESUMER_HEALTH_URL or RESUMER_HTTP_PORT"
            ),
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(REFUSED) from error
