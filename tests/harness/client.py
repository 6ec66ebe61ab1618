"""A client of the HTTP interface: what it asks and what it is answered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    @property
    def problem(self) -> dict[str, Any]:
        """The body, which must be a problem of the answer's status."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status, self
        assert {"type", "title", "detail"} <= self.json.keys(), self
        return dict(self.json)


@dataclass(frozen=True, slots=True)
class Client:
    """Asks with one bearer, or with none."""

    address: str
    bearer: str | None = None

    def get(self, path: str, **headers: str) -> Answer:
        """Look at something under `/api/v1`."""
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        """Ask for something under `/api/v1`."""
        data = b"" if body is None else json.dumps(body).encode()
        return self.ask("POST", path, data, **headers)

    def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> Answer:
        """Send a request; `_` in the name of a header stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.bearer is not None:
            named = {"Authorization": f"Bearer {self.bearer}", **named}
        url = f"{self.address}/api/v1{path}"
        sent = {"Content-Type": "application/json", **named}
        request = Request(url, data, sent, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=20) as answer:  # noqa: S310
                return Answer(answer.status, _lower(answer.headers), answer.read().decode())
        except HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read().decode())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
