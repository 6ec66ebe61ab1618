"""The address on which HTTP listens."""

import socket

import pytest
from fastapi import FastAPI

from resumer_daemon.api.server import AddressTaken, Server
from resumer_daemon.config import load_settings


async def test_a_port_that_is_taken_is_named_with_the_settings_that_choose_another():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings = load_settings(database_url="postgresql://", http_port=port)
        with pytest.raises(AddressTaken, match=f"127.0.0.1:{port}: .*RESUMER_HTTP_PORT"):
            await Server(FastAPI(), settings).start()
