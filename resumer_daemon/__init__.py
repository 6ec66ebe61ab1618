"""resumer-daemon: pauses workflows in PostgreSQL for a decision, resumes them when it is made."""

from typing import TYPE_CHECKING

__version__: str
"""The version of the installed package."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        """Read the version when it is asked for: `importlib.metadata` takes 0.05 s to import."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version("resumer-daemon")
