"""The process of the proxy: forwards every request as it came, unless a rule says otherwise.

``python -m tests.servers.forwarder HOST PORT``. Each connection of a client has one to the server.
Heads pass unchanged, the Host header too: signatures made for the proxy's address hold behind it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import astuple

from tests.servers import http1
from tests.servers.child import obey
from tests.servers.rules import (
    Answer,
    CutAnswer,
    CutRequest,
    Drop,
    Fault,
    Flip,
    Hold,
    LoseAnswer,
    Match,
    Request,
    Rule,
    Stall,
    Truncate,
)

#: Seconds for which a client may go on sending a body whose answer it already has.
LINGER = 1.0


class Cut(Exception):
    """Both connections are to be reset."""


class Forwarder:
    """The rules, the log, and where the server is."""

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self.delay = 0.0
        self.rules: list[Rule] = []
        self.requests: list[Request] = []
        self.released = asyncio.Event()

    async def serve(self, client: http1.Stream) -> None:
        """All requests of one connection."""
        server: http1.Stream | None = None
        try:
            while head := await client.head():
                if server is None or not server.is_idle:
                    if server is not None:
                        server.close()
                    server = await http1.connect(*self.server)
                if not await Exchange(self, client, server, head).run():
                    break
        except Cut:
            await client.abort()
            if server is not None:
                await server.abort()
        finally:
            if server is not None:
                server.close()

    def enter(self, head: bytes) -> tuple[Request, Fault | None]:
        """The log's entry of a new request, and what is to befall it."""
        method, target = head[: head.find(b"\r\n")].decode("latin-1").split(" ")[:2]
        path, _, query = target.partition("?")
        request = Request(method, path, query)
        self.requests.append(request)
        applying = [rule for rule in self.rules if rule.applies(method, path, query)]
        if not applying:
            return request, None
        request.fault = type(applying[0].fault).__name__
        return request, applying[0].fault

    # What may be asked of the process.

    def set_delay(self, seconds: float) -> None:
        self.delay = seconds

    def inject(self, **rule: object) -> None:
        self.rules.append(Rule.from_json(**rule))  # type: ignore[arg-type]

    def pending(self) -> list[dict[str, object]]:
        return [rule.to_json() for rule in self.rules if rule.is_pending]

    def release(self) -> None:
        self.released.set()
        self.released = asyncio.Event()

    def clear(self) -> None:
        self.rules.clear()
        self.release()

    def forget(self) -> None:
        self.requests.clear()

    def log(self) -> list[tuple[object, ...]]:
        return [astuple(request) for request in self.requests]

    def count(self, **match: str) -> int:
        meant = Match(**match)
        return sum(meant(each.method, each.path, each.query) for each in self.requests)


class Exchange:
    """One request and its answer."""

    def __init__(
        self, forwarder: Forwarder, client: http1.Stream, server: http1.Stream, head: bytes
    ) -> None:
        self._forwarder = forwarder
        self._client = client
        self._server = server
        self._head = head
        self._framing = http1.request_framing(head)
        self._request, self._fault = forwarder.enter(head)
        self._keeps = http1.keeps_alive(head)

    async def run(self) -> bool:
        """Serve it; whether the connections live on. Raises `Cut`."""
        if self._forwarder.delay:
            await asyncio.sleep(self._forwarder.delay)
        fault = self._fault
        if isinstance(fault, Drop):
            raise Cut
        if isinstance(fault, Hold):
            await self._forwarder.released.wait()
            if self._client.has_left:
                raise Cut
        if isinstance(fault, Answer) and not fault.forward:
            return await self._refuse(fault)
        ahead = self._client.take_ahead(self._framing) if self._framing >= 0 else None
        if ahead is None or isinstance(fault, CutRequest):
            return await self._both_ways(ahead)
        self._request.received = len(ahead)
        await self._server.send(self._head + ahead)
        return await self._answer()

    async def _refuse(self, fault: Answer) -> bool:
        """Answer in the server's stead. Who waits for leave to send a body does not get it."""
        if http1.header(self._head, b"expect"):
            await self._give(fault, closing=True)
            return False
        async for piece in self._client.body(self._framing):
            self._request.received += len(piece)
        await self._give(fault)
        return self._keeps

    async def _give(self, fault: Answer, *, closing: bool = False) -> None:
        body = fault.body.encode()
        self._request.status = fault.status
        lines = [
            f"HTTP/1.1 {fault.status} Fault",
            f"Content-Type: {fault.content_type}",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in (fault.headers or {}).items()),
            *["Connection: close"] * closing,
        ]
        if self._request.method == "HEAD":
            body = b""
        self._request.sent = len(body)
        await self._client.send("\r\n".join(lines).encode() + http1.END + body)

    async def _both_ways(self, ahead: bytes | None) -> bool:
        """The body goes to the server while its answer, perhaps a 100, comes back."""
        sending = asyncio.create_task(self._send(ahead))
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                whole = sending.result()
                return await answering and whole
            keeps = answering.result()
            await asyncio.wait({sending}, timeout=LINGER)
            return keeps and sending.done() and sending.result()
        finally:
            for task in (sending, answering):
                task.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)

    async def _send(self, ahead: bytes | None) -> bool:
        """The request to the server; whether it took all of it. Raises `Cut`."""
        left = self._fault.after if isinstance(self._fault, CutRequest) else None
        body = self._client.body(self._framing) if ahead is None else _one(ahead)
        try:
            await self._server.send(self._head)
        except OSError:
            return False
        async for piece in body:
            self._request.received += len(piece)
            try:
                await self._server.send_piece(piece[:left], self._framing)
            except OSError:
                return False  # its answer may say why
            if left is not None:
                left -= min(left, len(piece))
                if not left:
                    break
        if left is not None:
            raise Cut
        await self._server.send_end(self._framing)
        return True

    async def _answer(self) -> bool:
        """The server's answer to the client; whether the connections live on."""
        method = self._request.method
        head = await self._server.head(required=True)
        while http1.status_of(head) < 200:
            await self._client.send(head)
            head = await self._server.head(required=True)
        framing = http1.answer_framing(head, method)
        fault = self._fault
        if isinstance(fault, LoseAnswer | Answer):
            async for _ in self._server.body(framing):
                pass
            if isinstance(fault, LoseAnswer):
                raise Cut
            await self._give(fault)
            return self._keeps and http1.keeps_alive(head)
        self._request.status = http1.status_of(head)
        if not framing and isinstance(fault, CutAnswer):
            await self._client.send(head[: len(head) // 2])
            raise Cut
        if isinstance(fault, CutAnswer | Truncate | Flip | Stall) and framing:
            return await self._spoil(head, framing, fault)
        return await self._pass(head, framing)

    async def _pass(self, head: bytes, framing: int) -> bool:
        """An answer as it is."""
        ahead = self._server.take_ahead(framing) if framing >= 0 else None
        if ahead is not None:
            self._request.sent = len(ahead)
            await self._client.send(head + ahead)
        else:
            await self._client.send(head)
            async for piece in self._server.body(framing):
                await self._pass_piece(piece, framing)
            await self._client.send_end(framing)
        return self._keeps and framing != http1.UNTIL_CLOSE and http1.keeps_alive(head)

    async def _spoil(
        self, head: bytes, framing: int, fault: CutAnswer | Truncate | Flip | Stall
    ) -> bool:
        """An answer to whose body something happens, if it is long enough for that."""
        keeps = self._keeps and framing != http1.UNTIL_CLOSE and http1.keeps_alive(head)
        if isinstance(fault, Truncate) and fault.matching:
            await self._shorten(head, framing, fault.after)
            return keeps
        await self._client.send(head)
        name, self._request.fault = self._request.fault, ""
        where = fault.at if isinstance(fault, Flip) else fault.after
        async for piece in self._server.body(framing):
            at = where - self._request.sent
            if self._request.fault or at >= len(piece) + (not isinstance(fault, Flip)):
                await self._pass_piece(piece, framing)
                continue
            self._request.fault = name
            if isinstance(fault, Flip):
                await self._pass_piece(_flipped(piece, at), framing)
                continue
            await self._pass_piece(piece[:at], framing)
            if isinstance(fault, CutAnswer):
                raise Cut
            if isinstance(fault, Truncate):
                return False
            await self._forwarder.released.wait()
            await self._pass_piece(piece[at:], framing)
        await self._client.send_end(framing)
        return keeps

    async def _pass_piece(self, piece: bytes | memoryview, framing: int) -> None:
        if piece:  # an empty chunk would be the last
            self._request.sent += len(piece)
            await self._client.send_piece(piece, framing)

    async def _shorten(self, head: bytes, framing: int, size: int) -> None:
        """The first ``size`` bytes of an answer, as if they were all."""
        kept = bytearray()
        async for piece in self._server.body(framing):
            kept += piece[: size - len(kept)]
        lines = [
            line
            for line in head[: -len(http1.END)].split(b"\r\n")
            if not line.lower().startswith((b"content-length:", b"transfer-encoding:"))
        ]
        lines.append(b"Content-Length: %d" % len(kept))
        self._request.sent = len(kept)
        await self._client.send(b"\r\n".join(lines) + http1.END + kept)


async def _one(piece: bytes) -> AsyncIterator[bytes | memoryview]:
    yield piece


def _flipped(piece: bytes | memoryview, at: int) -> bytes:
    changed = bytearray(piece)
    changed[at] ^= 1
    return bytes(changed)


async def main() -> None:
    """Forward until stdin ends."""
    listening = http1.listen()
    forwarder = Forwarder(sys.argv[1], int(sys.argv[2]))
    accepting = asyncio.create_task(http1.accept(listening, forwarder.serve))
    verbs = ("set_delay", "inject", "pending", "release", "clear", "forget", "log", "count")
    port = listening.getsockname()[1]
    await obey(port, {verb: getattr(forwarder, verb) for verb in verbs})
    accepting.cancel()


if __name__ == "__main__":
    asyncio.run(main())
