"""The receiver of chaos, a process of its own: it notes what comes, and at times behaves badly.

Every request is a line of its log before it is answered: when, key, attempt, SHA-256, body.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

DROPPED, FAILED, SLOW = 0.01, 0.01, 0.05
SLOWLY = 0.5  # seconds, within the deadline, where the body asks for it


async def main(log: Path, seed: int) -> None:
    """Serve on loopback until killed; the port is the first line of standard output."""
    chance = random.Random(seed)  # noqa: S311
    with log.open("a", buffering=1, encoding="utf-8") as book:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await _answer(reader, writer, chance, book.write)
            except (OSError, asyncio.IncompleteReadError):
                pass  # the sender was killed: what it had sent is written down, or had not come
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    chance: random.Random,
    note: Callable[[str], object],
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    line: dict[str, Any] = {
        "at": time.time(),
        "key": headers["idempotency-key"],
        "attempt": int(headers.get("resumer-attempt", "0")),  # a notification has none
        "sha256": sha256(body).hexdigest(),
        "body": json.loads(body),
    }
    note(json.dumps(line) + "\n")
    luck = chance.random()
    if line["body"].get("slow"):
        await asyncio.sleep(SLOWLY)
    if luck < DROPPED:
        return
    if luck < DROPPED + SLOW:
        await asyncio.sleep(chance.random() * 0.3)
    status = "503 No" if DROPPED + SLOW < luck < DROPPED + SLOW + FAILED else "200 OK"
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    await writer.drain()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
