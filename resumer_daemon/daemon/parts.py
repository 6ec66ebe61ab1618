"""Who reaches out of the database, as the settings name it; None where they name nothing."""

from uuid import UUID

from resumer_daemon.config import Settings
from resumer_daemon.daemon.courier import Courier
from resumer_daemon.daemon.tracing import Tracing
from resumer_daemon.effects.address_guard import Guard
from resumer_daemon.effects.allowlist import read_allow_list
from resumer_daemon.effects.channels import Routes
from resumer_daemon.effects.http_client import HttpClient
from resumer_daemon.effects.http_message import Signer
from resumer_daemon.store.session import Pool
from resumer_daemon.telemetry.metrics import Metrics


def courier_of(settings: Settings, pool: Pool, metrics: Metrics) -> Courier | None:
    """Return who delivers notifications, where there are routes."""
    if not settings.routes:
        return None
    routes = Routes({fits: url.get_secret_value() for fits, url in settings.routes.items()})
    return Courier(pool, routes, settings.message_attempts, settings.lease, metrics)


def tracing_of(settings: Settings, instance: UUID) -> Tracing | None:
    """Return who tells moves to a collector, where there is one."""
    endpoint = settings.otlp_endpoint
    return None if endpoint is None else Tracing(endpoint, instance)


def http_client_of(settings: Settings) -> HttpClient:
    """Return who sends webhooks: to allowed hosts, and signed where there is a secret."""
    secret = settings.webhook_secret
    signer = None if secret is None else Signer(secret.get_secret_value())
    return HttpClient(Guard(read_allow_list(settings.http_allow)), settings.secret, signer=signer)
