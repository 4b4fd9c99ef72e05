"""An object read in ranges, from a real HTTP server that cuts, lies and changes its mind."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regctl.drivers.base import Reader
from regctl.drivers.objects.ranged import ContentChangedError, Piece, RangedReader, Window
from regctl.errors import PathNotFoundError, StorageError, UnavailableError

PATH = "/a/blob"
PIECE = 1000
PATIENCE = 30


def content_of(size: int) -> bytes:
    """Bytes of which no two pieces are alike."""
    return b"".join(number.to_bytes(4) for number in range(size // 4 + 1))[:size]


@dataclass
class Answer:
    """How the server answers one request: by default as it should."""

    #: Body bytes after which the connection is cut; None: not at all.
    cut_after: int | None = None
    #: Bytes of nonsense after the body, whose length is not told then.
    extra: int = 0
    #: Whether no notice is taken of the range.
    whole: bool = False
    #: By how many bytes the range is wrong.
    shift: int = 0
    #: Whether no notice is taken of If-Match.
    careless: bool = False
    #: Waited for before the body, after the first ``held_after`` bytes of it.
    gate: Callable[[], object] | None = None
    held_after: int = 0


class ObjectServer:
    """One object behind HTTP. ``answer`` says how the n-th request is answered, by its offset."""

    def __init__(self, content: bytes) -> None:
        self.content: bytes | None = content
        self.etag = '"one"'
        self.answer: Callable[[int, int], Answer] = lambda number, start: Answer()
        #: The first byte that each request asked for.
        self.starts: list[int] = []
        #: Connections of clients that are open.
        self.open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._handle(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    def fetch(self, offset: int, length: int, version: str | None, /) -> Piece | None:
        """A ranged request, as a driver would send it."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._server.server_port, timeout=PATIENCE
        )
        self.open.add(connection)
        headers = {"Range": f"bytes={offset}-{offset + length - 1}"}
        if version is not None:
            headers["If-Match"] = version
        connection.request("GET", PATH, headers=headers)
        answer = connection.getresponse()
        stream = _Body(self, connection, answer)
        if answer.status not in {200, 206}:
            stream.close()
        if answer.status == 404:
            raise PathNotFoundError(PATH)
        if answer.status == 412:
            raise ContentChangedError(PATH)
        if answer.status == 416:
            return None
        told = answer.getheader("Content-Length")
        length_told = None if told is None else int(told)
        if answer.status == 200:
            return Piece(0, length_told or 0, answer.getheader("ETag"), stream, length_told)
        span, _, total = (
            (answer.getheader("Content-Range") or "").removeprefix("bytes ").partition("/")
        )
        first = int(span.partition("-")[0])
        return Piece(first, int(total), answer.getheader("ETag"), stream, length_told)

    def reader(self, pool: ThreadPoolExecutor | None = None, **options: object) -> RangedReader:
        """A reader with pieces of `PIECE` bytes, and no pool unless one is given."""
        settings: dict[str, object] = {"piece_bytes": PIECE, "sleep": lambda _: None, **options}
        return RangedReader(self.fetch, path=PATH, pool=lambda: _given(pool), **settings)  # type: ignore[arg-type]

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        first, _, last = (request.headers["Range"]).removeprefix("bytes=").partition("-")
        start, end = int(first), int(last) + 1
        with self._lock:
            answer = self.answer(len(self.starts), start)
            self.starts.append(start)
            content, etag = self.content, self.etag
        if content is None:
            return self._refuse(request, 404)
        if request.headers["If-Match"] not in {None, etag} and not answer.careless:
            return self._refuse(request, 412)
        if start >= len(content) and not answer.whole:
            return self._refuse(request, 416)
        start, end = (0, len(content)) if answer.whole else (start, min(end, len(content)))
        start, end = start + answer.shift, end + answer.shift
        request.send_response(200 if answer.whole else 206)
        request.send_header("ETag", etag)
        if not answer.whole:
            request.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        if not answer.extra:
            request.send_header("Content-Length", str(end - start))
        request.end_headers()
        body = content[start:end] + b"?" * answer.extra
        sent = body if answer.cut_after is None else body[: answer.cut_after]
        try:
            request.wfile.write(sent[: answer.held_after])
            if answer.gate is not None:
                answer.gate()
            request.wfile.write(sent[answer.held_after :])
        except OSError:
            pass
        request.close_connection = True
        return None

    def _refuse(self, request: BaseHTTPRequestHandler, status: int) -> None:
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()


def _given(pool: ThreadPoolExecutor | None) -> ThreadPoolExecutor:
    assert pool is not None, "the pool is used, and need not be"
    return pool


class _Body:
    """The body of an answer, and its connection."""

    def __init__(
        self,
        server: ObjectServer,
        connection: http.client.HTTPConnection,
        answer: http.client.HTTPResponse,
    ) -> None:
        self._server = server
        self._connection = connection
        self._answer = answer

    def readinto(self, buffer: memoryview, /) -> int:
        return self._answer.readinto(buffer)

    def close(self) -> None:
        self._answer.close()
        self._connection.close()
        self._server.open.discard(self._connection)


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], ObjectServer]]:
    """Starts a server of one object."""
    servers: list[ObjectServer] = []

    def start(content: bytes) -> ObjectServer:
        servers.append(ObjectServer(content))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
        assert not server.open


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def read_all(reader: Reader, size: int = 300) -> bytes:
    """What is left of a stream; it is closed after."""
    content = bytearray()
    buffer = bytearray(size)
    with reader:
        while count := reader.readinto(buffer):
            content += memoryview(buffer)[:count]
        assert reader.readinto(buffer) == 0
    return bytes(content)


def drain(reader: Reader) -> None:
    """Read on to the end, if there is one."""
    while reader.readinto(bytearray(300)):
        pass


Serve = Callable[[bytes], ObjectServer]


@pytest.mark.parametrize("size", [1, 4, PIECE - 1, PIECE])
def test_small_object_is_one_request(serve: Serve, size: int) -> None:
    """What fits in a piece is asked for once, in the caller's thread."""
    server = serve(content_of(size))
    assert read_all(server.reader()) == server.content
    assert server.starts == [0]


@pytest.mark.parametrize("size", [PIECE + 1, 2 * PIECE, 5 * PIECE + 7])
@pytest.mark.parametrize("offset", [0, 1, PIECE, PIECE + 1])
@pytest.mark.parametrize("buffer", [1, 300, PIECE, 100_000])
def test_large_object(
    serve: Serve, pool: ThreadPoolExecutor, size: int, offset: int, buffer: int
) -> None:
    """Pieces come in order, each asked for once, wherever the stream begins."""
    content = content_of(size)
    server = serve(content)
    window = Window(3 * PIECE)
    assert read_all(server.reader(pool, offset=offset, window=window), buffer) == content[offset:]
    assert sorted(server.starts) == list(range(offset, max(size, offset + 1), PIECE))
    assert window.left == 3 * PIECE


def test_total_and_version(serve: Serve) -> None:
    """The first answer tells what the object is."""
    with serve(content_of(5)).reader() as reader:
        assert (reader.total, reader.version) == (5, '"one"')


@pytest.mark.parametrize(("size", "offset"), [(0, 0), (0, 3), (5, 5), (5, 99)])
@pytest.mark.parametrize("whole", [False, True])
def test_nothing_there(serve: Serve, size: int, offset: int, whole: bool) -> None:
    """From the end on a stream is empty, whether the server says 416 or takes no notice."""
    server = serve(content_of(size))
    server.answer = lambda number, start: Answer(whole=whole)
    assert read_all(server.reader(offset=offset)) == b""
    assert server.starts == [offset]


def test_only_the_beginning_is_read(serve: Serve) -> None:
    """Who takes one look at a large object is not sent the rest of it."""
    server = serve(content_of(100 * PIECE))
    with server.reader() as reader:
        buffer = bytearray(10)
        assert reader.readinto(buffer)
        assert server.content is not None
        assert buffer == server.content[:10]
    assert server.starts == [0]


def test_absent(serve: Serve) -> None:
    """An absent object is seen when the stream is opened."""
    server = serve(b"")
    server.content = None
    with pytest.raises(PathNotFoundError):
        server.reader()


def test_mistakes_of_the_caller(serve: Serve) -> None:
    """Negative offsets, and reading what was closed."""
    server = serve(b"abc")
    with pytest.raises(ValueError, match="-1"):
        server.reader(offset=-1)
    reader = server.reader()
    reader.close()
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.readinto(bytearray(1))


def test_part_of_a_buffer(serve: Serve, pool: ThreadPoolExecutor) -> None:
    """Nothing is written beside the buffer, and none of no bytes is an end."""
    content = content_of(3 * PIECE)
    with serve(content).reader(pool) as reader:
        assert reader.readinto(bytearray()) == 0
        got = bytearray()
        while len(got) < len(content):
            buffer = bytearray(b"." * 700)
            count = reader.readinto(memoryview(buffer)[1:-1])
            got += buffer[1 : 1 + count]
            assert count
            assert buffer[0] == ord(".")
            assert set(buffer[1 + count :]) == {ord(".")}
        assert got == content


def test_several_in_flight_and_no_more_than_the_window(
    serve: Serve, pool: ThreadPoolExecutor
) -> None:
    """Three further pieces are asked for while the first is read, and not a fourth."""
    content = content_of(10 * PIECE)
    server = serve(content)
    arrived = threading.Semaphore(0)
    go_on = threading.Event()

    def hold() -> None:
        arrived.release()
        assert go_on.wait(PATIENCE)

    server.answer = lambda number, start: Answer(gate=hold if start else None)
    window = Window(3 * PIECE + PIECE // 2)
    reader = server.reader(pool, window=window)
    buffer = bytearray(1)
    for _ in range(3):
        assert reader.readinto(buffer) == 1
    for _ in range(3):
        assert arrived.acquire(timeout=PATIENCE)
    assert sorted(server.starts) == [0, PIECE, 2 * PIECE, 3 * PIECE]
    assert window.left == PIECE // 2
    go_on.set()
    assert read_all(reader) == content[3:]
    assert window.left == 3 * PIECE + PIECE // 2


@pytest.mark.parametrize("after", [1, 333, PIECE - 1])
def test_cut_body_goes_on_where_it_stopped(
    serve: Serve, pool: ThreadPoolExecutor, after: int
) -> None:
    """Every first answer for a piece is cut; the second begins at the byte that did not come."""
    content = content_of(4 * PIECE)
    server = serve(content)
    server.answer = lambda number, start: Answer(cut_after=None if start % PIECE else after)
    assert read_all(server.reader(pool, tries=1)) == content
    pieces = range(0, len(content), PIECE)
    assert sorted(server.starts) == sorted([*pieces, *(start + after for start in pieces)])


def test_progress_resets_the_tries(serve: Serve, pool: ThreadPoolExecutor) -> None:
    """A server that never sends more than some bytes is read to the end nevertheless."""
    content = content_of(2 * PIECE)
    server = serve(content)
    server.answer = lambda number, start: Answer(cut_after=50)
    assert read_all(server.reader(pool, tries=1)) == content
    assert sorted(server.starts) == list(range(0, 2 * PIECE, 50))


@pytest.mark.parametrize("size", [PIECE, 3 * PIECE])
def test_no_progress_is_an_error(serve: Serve, pool: ThreadPoolExecutor, size: int) -> None:
    """After so many tries in vain, each later than the one before, the stream fails for good."""
    server = serve(content_of(size))
    server.answer = lambda number, start: Answer(
        cut_after={0: 10, 10: 0}.get(start),
    )
    pauses: list[float] = []
    with server.reader(pool, tries=3, sleep=pauses.append) as reader:
        buffer = bytearray(300)
        assert reader.readinto(buffer) == 10
        for _ in range(2):
            with pytest.raises(UnavailableError, match=f"{PATH} was cut off at byte 10 of {size}"):
                reader.readinto(buffer)
    assert server.starts.count(10) >= 3
    assert pauses[:3] == sorted(set(pauses[:3]))
    assert len(pauses) == 3


def test_a_piece_ahead_fails(serve: Serve, pool: ThreadPoolExecutor) -> None:
    """What comes before it is given; then there is an error, again and again, and no end."""
    content = content_of(4 * PIECE)
    server = serve(content)
    server.answer = lambda number, start: Answer(cut_after=0 if start == 2 * PIECE else None)
    window = Window(3 * PIECE)
    got = bytearray()
    buffer = bytearray(PIECE)
    with server.reader(pool, window=window, tries=2) as reader:
        while len(got) < 2 * PIECE:
            count = reader.readinto(buffer)
            assert count
            got += buffer[:count]
        for _ in range(2):
            with pytest.raises(UnavailableError, match="cut off at byte 2000 of 4000"):
                reader.readinto(buffer)
    assert got == content[: 2 * PIECE]
    assert window.left == 3 * PIECE


@pytest.mark.parametrize("bad", [0, 1])
def test_more_bytes_than_there_are(serve: Serve, pool: ThreadPoolExecutor, bad: int) -> None:
    """A body that does not end where it should is no content, of the first piece or another."""
    server = serve(content_of(2 * PIECE))
    server.answer = lambda number, start: Answer(extra=5 if start // PIECE == bad else 0)
    with server.reader(pool) as reader:
        for _ in range(2):
            with pytest.raises(StorageError, match="more bytes"):
                drain(reader)


@pytest.mark.parametrize(("offset", "bad"), [(0, PIECE), (PIECE, PIECE)])
@pytest.mark.parametrize("shift", [-4, 4])
def test_another_range_than_asked_for(
    serve: Serve, pool: ThreadPoolExecutor, offset: int, bad: int, shift: int
) -> None:
    """Bytes from elsewhere are not taken for those that were asked for."""
    server = serve(content_of(3 * PIECE))
    server.answer = lambda number, start: Answer(shift=shift if start == bad else 0)
    with pytest.raises(StorageError, match="another range"):
        read_all(server.reader(pool, offset=offset))


def test_ranges_ignored(serve: Serve) -> None:
    """A server without ranges sends everything by one answer; from the middle it cannot be read."""
    content = content_of(3 * PIECE)
    server = serve(content)
    server.answer = lambda number, start: Answer(whole=True)
    assert read_all(server.reader()) == content
    assert server.starts == [0]
    with pytest.raises(StorageError, match="another range"):
        server.reader(offset=5)


@pytest.mark.parametrize("careless", [False, True])
@pytest.mark.parametrize("how", ["etag", "shorter", "longer", "empty", "removed"])
def test_changed_while_it_is_read(
    serve: Serve, pool: ThreadPoolExecutor, careless: bool, how: str
) -> None:
    """No two contents are mixed, also where the server takes no notice of If-Match."""
    content = content_of(3 * PIECE)
    server = serve(content)
    server.answer = lambda number, start: Answer(careless=careless)
    with server.reader(pool) as reader:
        assert reader.readinto(bytearray(10))
        if how != "etag":
            server.content = {
                "shorter": content[:-1],
                "longer": content + b"x",
                "empty": b"",
                "removed": None,
            }[how]
        if how == "etag" or not careless:
            server.etag = '"two"'
        for _ in range(2):
            with pytest.raises(ContentChangedError, match=f"{PATH} .* while it was read"):
                drain(reader)


def test_changed_between_two_connections(serve: Serve) -> None:
    """A body that was cut is not continued by another content."""
    server = serve(content_of(PIECE))

    def change(number: int, start: int) -> Answer:
        server.etag = f'"{number}"'
        return Answer(cut_after=5)

    server.answer = change
    with server.reader() as reader:
        assert reader.readinto(bytearray(10)) == 5
        with pytest.raises(ContentChangedError):
            reader.readinto(bytearray(10))


def test_closed_early(serve: Serve) -> None:
    """Requests in flight are dropped: no thread, connection or room in the window is kept."""
    server = serve(content_of(20 * PIECE))
    arrived = threading.Semaphore(0)
    go_on = threading.Event()

    def hold() -> None:
        arrived.release()
        assert go_on.wait(PATIENCE)

    server.answer = lambda number, start: Answer(gate=hold if start else None, held_after=10)
    window = Window(8 * PIECE)
    with ThreadPoolExecutor(2) as pool:
        with server.reader(pool, window=window) as reader:
            for _ in range(2):
                assert reader.readinto(bytearray(1))
            for _ in range(2):
                assert arrived.acquire(timeout=PATIENCE)
        go_on.set()
    # The pool has ended, so both threads came back; what waited for them never began.
    assert len(server.starts) == 3
    assert window.left == 8 * PIECE
    assert not server.open


def test_no_more_tries_after_closing(serve: Serve) -> None:
    """A thread whose connection is cut when nobody listens any more lets it be."""
    server = serve(content_of(3 * PIECE))
    arrived = threading.Event()
    go_on = threading.Event()

    def hold() -> None:
        arrived.set()
        assert go_on.wait(PATIENCE)

    server.answer = lambda number, start: Answer(gate=hold, cut_after=0) if start else Answer()
    with ThreadPoolExecutor(1) as pool:
        with server.reader(pool, window=Window(PIECE)) as reader:
            for _ in range(2):
                assert reader.readinto(bytearray(1))
            assert arrived.wait(PATIENCE)
        go_on.set()
    assert server.starts == [0, PIECE]


def test_readers_within_the_pool_they_use(serve: Serve) -> None:
    """Readers that fill the very pool that is to look ahead for them do not wait for ever, and all
    of them together keep to the window."""
    content = content_of(20 * PIECE)
    server = serve(content)
    window = Window(5 * PIECE)
    with ThreadPoolExecutor(3) as pool:

        def work(offset: int) -> bool:
            return read_all(server.reader(pool, offset=offset, window=window)) == content[offset:]

        assert all(pool.map(work, range(0, 12 * 700, 700), timeout=PATIENCE * 4))
    assert window.left == 5 * PIECE


class _Cuts:
    """An object in memory whose bodies are cut as the list says, as long as it lasts."""

    def __init__(self, content: bytes, cuts: list[int]) -> None:
        self._content = content
        self._cuts = cuts

    def fetch(self, offset: int, length: int, version: str | None, /) -> Piece | None:
        if offset >= len(self._content):
            return None
        body = self._content[offset : offset + length]
        try:
            sent = body[: self._cuts.pop()]
        except IndexError:
            sent = body
        return Piece(offset, len(self._content), "v", _Bytes(sent), len(body))


class _Bytes:
    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)

    def readinto(self, buffer: memoryview, /) -> int:
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        pass


@settings(max_examples=200, deadline=None)
@given(
    size=st.integers(0, 500),
    offset=st.integers(0, 510),
    piece=st.integers(1, 200),
    room=st.integers(0, 600),
    buffer=st.integers(1, 300),
    cuts=st.lists(st.integers(0, 200), max_size=20),
)
def test_any_cuts(
    size: int, offset: int, piece: int, room: int, buffer: int, cuts: list[int]
) -> None:
    """Whatever the sizes are, and wherever bodies are cut: the bytes, once, in order."""
    content = content_of(size)
    window = Window(room)
    with ThreadPoolExecutor(2) as pool:
        reader = RangedReader(
            _Cuts(content, cuts).fetch,
            path=PATH,
            offset=offset,
            pool=lambda: pool,
            window=window,
            piece_bytes=piece,
            tries=21,
            sleep=lambda _: None,
        )
        with closing(reader):
            assert read_all(reader, buffer) == content[offset:]
    assert window.left == room
