"""The command line: every command is a module of its own, gathered here."""

import typer

from resumer_daemon.cli.check_definition import check_definition
from resumer_daemon.cli.database import doctor, migrate_app
from resumer_daemon.cli.dev import dev
from resumer_daemon.cli.operate import adopt, cancel, hold, pause, release, resume, retry
from resumer_daemon.cli.outbox import outbox
from resumer_daemon.cli.run import exporter, health, run
from resumer_daemon.cli.show import explain, incidents, ledger, list_, show, stats
from resumer_daemon.cli.simulate import simulate
from resumer_daemon.cli.submit import approve, emit, reject, start
from resumer_daemon.cli.tokens import token

app = typer.Typer(
    name="resumer-daemon",
    help="Pauses workflows in PostgreSQL for a person's decision, and resumes them within"
    " milliseconds when the decision is written.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)

app.command()(dev)
app.command()(run)
app.add_typer(migrate_app, name="migrate")
app.command()(doctor)
app.command()(adopt)
app.command()(start)
app.command()(emit)
app.command()(approve)
app.command()(reject)
app.command()(pause)
app.command()(resume)
app.command()(retry)
app.command()(cancel)
app.command()(hold)
app.command()(release)
app.command(name="list")(list_)
app.command()(show)
app.command()(explain)
app.command()(ledger)
app.command()(incidents)
app.command()(stats)
app.add_typer(outbox, name="outbox")
app.add_typer(token, name="token")
app.command()(health)
app.command()(exporter)
app.command()(simulate)
app.command(name="check-definition")(check_definition)
