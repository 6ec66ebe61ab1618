"""`health`: ask a running daemon, for container health checks."""

from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import typer

from resumer_daemon.cli.common import REFUSED, console, errors


def health(
    url: Annotated[
        str, typer.Option(help="Where the daemon listens.", envvar="RESUMER_HEALTH_URL")
    ] = "http://127.0.0.1:9464",
) -> None:
    """Exit with 0 when the daemon is ready, 1 when it is degraded or not there.

    [dim]Example: resumer-daemon health[/]
    """
    try:
        with urlopen(f"{url}/readyz", timeout=3) as answer:  # noqa: S310 (an operator's own URL)
            console.print(answer.read().decode(), highlight=False)
    except HTTPError as error:
        errors.print(error.read().decode(), highlight=False)
        raise typer.Exit(REFUSED) from error
    except (URLError, OSError, ValueError) as error:
        why = error.reason if isinstance(error, URLError) else error
        errors.print(
            f"no daemon at {url}: {why}\n  start one (`resumer-daemon run`), or say where it"
            " listens: --url, or RESUMER_HEALTH_URL",
            highlight=False,
        )
        raise typer.Exit(REFUSED) from error
