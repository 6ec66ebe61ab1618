"""resumer-daemon: pauses workflows in PostgreSQL for a decision, resumes them when it is made."""

from importlib.metadata import version

__version__ = version("resumer-daemon")
