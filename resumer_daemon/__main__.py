"""`python -m resumer_daemon`, and the entry point of the `resumer-daemon` command."""

from resumer_daemon.cli.app import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
