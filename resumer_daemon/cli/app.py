"""The command line: every command is a module of its own, gathered here."""

import typer

from resumer_daemon.cli.adopt import adopt
from resumer_daemon.cli.check_definition import check_definition
from resumer_daemon.cli.decide import approve, reject
from resumer_daemon.cli.dev import dev
from resumer_daemon.cli.doctor import doctor
from resumer_daemon.cli.executions import list_
from resumer_daemon.cli.explain import explain
from resumer_daemon.cli.exporter import exporter
from resumer_daemon.cli.health import health
from resumer_daemon.cli.hold import hold, release
from resumer_daemon.cli.ledger import incidents, ledger
from resumer_daemon.cli.migrate import migrate_app
from resumer_daemon.cli.moves import cancel, pause, resume, retry
from resumer_daemon.cli.outbox import outbox
from resumer_daemon.cli.run import run
from resumer_daemon.cli.show import show
from resumer_daemon.cli.simulate import simulate
from resumer_daemon.cli.start import emit, start
from resumer_daemon.cli.stats import stats
from resumer_daemon.cli.token import token

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
