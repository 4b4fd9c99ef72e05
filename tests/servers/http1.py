"""HTTP/1.1 over plain sockets, as little of it as servers made for tests need, and fast."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable

#: How many bytes are taken at once.
CHUNK = 256 * 1024
END = b"\r\n\r\n"
LONGEST_HEAD = 64 * 1024
#: Seconds for which a reset waits for a reader that does not read.
PATIENCE = 5.0
#: The framing of a body, beside a number of bytes: chunks, or everything until the end.
CHUNKED, UNTIL_CLOSE = -1, -2


class Broken(Exception):
    """The other side ended or spoke no HTTP in the middle of a message."""


class Stream:
    """One side's connection. What is read in advance stays for the next message."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._ahead = b""
        self._space: memoryview | None = None

    async def head(self, *, required: bool = False) -> bytes:
        """The next message up to and with its empty line; nothing if the other side is done,
        which is `Broken` if it is ``required``."""
        found = self._ahead
        while (end := found.find(END)) < 0:
            more = await self._loop.sock_recv(self._socket, CHUNK)
            if not more and not found and not required:
                return b""
            if not more or len(found) > LONGEST_HEAD:
                raise Broken
            found += more
        self._ahead = found[end + len(END) :]
        return found[: end + len(END)]

    async def body(self, framing: int) -> AsyncIterator[bytes | memoryview]:
        """The pieces of a body, without its framing; each is good until the next is asked for."""
        if framing == CHUNKED:
            while size := int((await self._line()).partition(b";")[0], 16):
                async for piece in self._exactly(size):
                    yield piece
                await self._line()
            while await self._line():
                pass  # trailers: nobody sends any
        elif framing == UNTIL_CLOSE:
            while piece := await self._some(CHUNK):
                yield piece
        else:
            async for piece in self._exactly(framing):
                yield piece

    def take_ahead(self, size: int) -> bytes | None:
        """``size`` bytes if they came along with the head already."""
        if len(self._ahead) < size:
            return None
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken

    async def send(self, data: bytes | memoryview) -> None:
        """Send all of ``data``."""
        await self._loop.sock_sendall(self._socket, data)

    async def send_piece(self, piece: bytes | memoryview, framing: int) -> None:
        """Send one piece of a body, with the frame of a chunk if it needs one."""
        if framing == CHUNKED:
            piece = b"".join((b"%x\r\n" % len(piece), piece, b"\r\n"))
        await self.send(piece)

    async def send_end(self, framing: int) -> None:
        """Say that a body is complete, where its framing has a word for it."""
        if framing == CHUNKED:
            await self.send(b"0\r\n\r\n")

    @property
    def is_idle(self) -> bool:
        """Whether the other side is still there and has said nothing yet."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    @property
    def has_left(self) -> bool:
        """Whether the other side has ended the connection."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """End the connection in order. Idempotent."""
        self._socket.close()

    async def abort(self) -> None:
        """End the connection by a reset, when what was sent has arrived. Idempotent."""
        deadline = self._loop.time() + PATIENCE
        while self._socket.fileno() >= 0 and _unsent(self._socket):
            if self._loop.time() > deadline:
                break
            await asyncio.sleep(0.001)
        if self._socket.fileno() >= 0:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    async def _exactly(self, size: int) -> AsyncIterator[bytes | memoryview]:
        while size:
            piece = await self._some(size)
            if not piece:
                raise Broken
            size -= len(piece)
            yield piece

    async def _some(self, most: int) -> bytes | memoryview:
        """Up to ``most`` bytes; none at the end."""
        if self._ahead:
            taken, self._ahead = self._ahead[:most], self._ahead[most:]
            return taken
        if self._space is None:
            self._space = memoryview(bytearray(CHUNK))
        count = await self._loop.sock_recv_into(self._socket, self._space[:most])
        return self._space[:count]

    async def _line(self) -> bytes:
        while (end := self._ahead.find(b"\r\n")) < 0:
            more = await self._loop.sock_recv(self._socket, CHUNK)
            if not more:
                raise Broken
            self._ahead += more
        line, self._ahead = self._ahead[:end], self._ahead[end + 2 :]
        return line


def _unsent(connection: socket.socket) -> int:
    """How many bytes the other side has not yet acknowledged."""
    answer = fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(answer, sys.byteorder)


def header(head: bytes, name: bytes) -> bytes | None:
    """The value of a header, in lower case as its ``name`` must be, or None."""
    lower = head.lower()
    start = lower.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    return lower[start : lower.find(b"\r\n", start)].strip()


def request_framing(head: bytes) -> int:
    """How the body of a request is framed; 0 if there is none."""
    if header(head, b"transfer-encoding") == b"chunked":
        return CHUNKED
    return int(header(head, b"content-length") or 0)


def answer_framing(head: bytes, method: str) -> int:
    """How the body of an answer to ``method`` is framed; 0 if there is none."""
    status = status_of(head)
    if method == "HEAD" or status in (204, 304) or status < 200:
        return 0
    if header(head, b"transfer-encoding") == b"chunked":
        return CHUNKED
    length = header(head, b"content-length")
    return UNTIL_CLOSE if length is None else int(length)


def status_of(head: bytes) -> int:
    """The status of an answer."""
    return int(head[9:12])


def keeps_alive(head: bytes) -> bool:
    """Whether the connection lives on after this message."""
    connection = header(head, b"connection")
    if b"HTTP/1.0" in head[: head.find(b"\r\n")]:
        return connection == b"keep-alive"
    return connection != b"close"


async def connect(host: str, port: int) -> Stream:
    """A new connection."""
    connection = socket.socket()
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (host, port))
    except BaseException:
        connection.close()
        raise
    return Stream(connection)


def listen() -> socket.socket:
    """A socket that listens at a free port of the loopback."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listening.setblocking(False)
    return listening


async def accept(listening: socket.socket, serve: Callable[[Stream], Awaitable[None]]) -> None:
    """Give every connection that comes to ``serve``, each in a task of its own, for ever."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def guard(stream: Stream) -> None:
        try:
            await serve(stream)
        except (OSError, Broken):
            pass  # who left has nothing to hear
        finally:
            stream.close()

    while True:
        connection, _ = await loop.sock_accept(listening)
        task = asyncio.create_task(guard(Stream(connection)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
