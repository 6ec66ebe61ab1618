"""Where records of an entity go, as the settings say it."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

NAME: Final = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"


_USER: Final = re.compile(r"https?:[/\\]*[^/?#\\]*@")


def _without_user(url: str) -> str:
    if _USER.match(url):
        raise ValueError("a user name or a password in a URL; send an Authorization header")
    return url


HttpUrl = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_without_user)]
"""Where the daemon sends requests to."""


class RecordTarget(BaseModel):
    """A table with the columns that may be written, or a URL.

    `key` is the column that `entity_id` names a row by. Headers are templates, so may name secrets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str | None = Field(None, pattern=rf"^{NAME}(\.{NAME})?$")
    key: str = Field("id", pattern=rf"^{NAME}$")
    columns: frozenset[str] = frozenset()
    url: HttpUrl | None = None
    headers: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.table is None) == (self.url is None) or bool(self.table) != bool(self.columns):
            raise ValueError("either a table with its columns, or a url")
        if self.table is not None and self.table.startswith(("resumer.", "pg_")):
            raise ValueError("not a table of ours or of the server")
        return self
