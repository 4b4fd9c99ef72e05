"""What only the filesystem driver has to care for: symlinks, pipes, owners, crashes, processes."""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from regctl.drivers import _directories, writeback
from regctl.drivers._streams import FileWriter
from regctl.drivers._temporary import LEFTOVER_AGE, is_temporary
from regctl.drivers.base import Entry, Kind, StorageDriver
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.errors import (
    ConfigurationError,
    DamagedError,
    DeniedError,
    NotFoundError,
    NotPermittedPathError,
    PathExistsError,
    StorageError,
    UnavailableError,
    UploadInUseError,
)

is_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="only root can give files away")
REGISTRY = 1234


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def driver(root: Path) -> StorageDriver:
    return CheckedDriver(FilesystemDriver(str(root)))


def every_operation(driver: StorageDriver, path: str) -> list[Callable[[], object]]:
    """Everything that goes through ``path`` to a file."""
    return [
        lambda: driver.read(path),
        lambda: driver.get(path, 99),
        lambda: driver.put(path, b"new"),
        lambda: driver.put(path, b"new", if_absent=True),
        lambda: driver.writer(path),
        lambda: driver.writer(path, append=True),
        lambda: driver.move(path, "/moved"),
        lambda: driver.move("/plain", path),
        lambda: driver.delete(path),
    ]


def temporary_things(root: Path) -> list[str]:
    """Names of what is or may be temporary, anywhere below ``root``."""
    return [
        name
        for _, directories, files in os.walk(root)
        for name in (*directories, *files)
        if name.endswith(".tmp")
    ]


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """Let this process have the rights of an ordinary user."""
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class TestRoot:
    def test_symlink_to_the_root(self, tmp_path: Path, root: Path) -> None:
        (tmp_path / "link").symlink_to(root)
        driver = FilesystemDriver(str(tmp_path / "link"))
        driver.put("/a", b"x")
        assert driver.root == os.path.realpath(root)
        assert (root / "a").read_bytes() == b"x"

    def test_relative_root(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A relative root stays where it was, wherever the process goes."""
        monkeypatch.chdir(root.parent)
        driver = FilesystemDriver("root")
        monkeypatch.chdir("/")
        driver.put("/a", b"x")
        assert (root / "a").read_bytes() == b"x"

    @pytest.mark.parametrize("name", ["none", "file", "dangling", "none/below", "file/below", "\0"])
    def test_no_directory(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").write_bytes(b"")
        (tmp_path / "dangling").symlink_to("nowhere")
        with pytest.raises(ConfigurationError):
            FilesystemDriver(f"{tmp_path}/{name}")

    def test_descriptors_are_given_back(self, root: Path) -> None:
        def used() -> int:
            return len(os.listdir("/proc/self/fd"))

        def work() -> None:
            driver = CheckedDriver(FilesystemDriver(str(root)))
            driver.put("/a/b", b"x", if_absent=True)
            driver.put("/plain", b"x")
            (root / "link").symlink_to("a")
            (root / "a" / "c").mkdir()
            for path in ("/link/b", "/link", "/none/b", "/a", "/a/b/c"):
                for operation in every_operation(driver, path):
                    try:
                        result = operation()
                    except (StorageError, NotFoundError, PathExistsError):
                        continue
                    if isinstance(result, FileWriter):
                        result.close()
            assert list(driver.walk("/"))
            assert next(iter(driver.walk("/")))
            driver.now()
            driver.rmdir("/a/c")

        gc.collect()
        before = used()
        work()
        gc.collect()
        assert used() == before


class TestSymlinks:
    """A symlink is reported where it stands and never followed, be its end inside or outside."""

    @pytest.fixture(params=["inside", "outside", "dangling", "loop", "absolute"])
    def target(self, request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> str:
        for place in (root, tmp_path):
            (place / "real").mkdir()
            (place / "real" / "file").write_bytes(b"secret")
        (root / "plain").write_bytes(b"plain")
        targets = {
            "inside": "real",
            "outside": "../real",
            "dangling": "nowhere",
            "loop": "link",
            "absolute": str(tmp_path / "real"),
        }
        return targets[request.param]

    def unchanged(self, root: Path, tmp_path: Path) -> None:
        assert (root / "real" / "file").read_bytes() == b"secret"
        assert (tmp_path / "real" / "file").read_bytes() == b"secret"
        assert sorted(os.listdir(tmp_path / "real")) == ["file"]
        assert sorted(os.listdir(root / "real")) == ["file"]
        assert (root / "plain").read_bytes() == b"plain"
        assert not (root / "moved").exists()
        assert not (root / "nowhere").exists()

    def test_through_a_directory(
        self, driver: StorageDriver, root: Path, tmp_path: Path, target: str
    ) -> None:
        (root / "link").symlink_to(target)
        for path in ("/link/file", "/link/sub/file"):
            operations: list[Callable[[], object]] = [
                *every_operation(driver, path),
                partial(driver.stat, path),
                partial(driver.list, path),
                partial(next, driver.walk(path)),
                partial(driver.mkdir, path),
                partial(driver.rmdir, path),
            ]
            for operation in operations:
                with pytest.raises(NotPermittedPathError, match=r"^/link is a symlink") as caught:
                    operation()
                assert caught.value.hint is not None
        self.unchanged(root, tmp_path)

    def test_at_a_file(
        self, driver: StorageDriver, root: Path, tmp_path: Path, target: str
    ) -> None:
        (root / "sub").mkdir()
        (root / "sub" / "link").symlink_to(
            target if os.path.isabs(target) or target == "link" else f"../{target}/file"
        )
        for operation in every_operation(driver, "/sub/link"):
            with pytest.raises(NotPermittedPathError, match=r"^/sub/link is a symlink"):
                operation()
        [(path, error)] = driver.delete_many(["/sub/link"])
        assert path == "/sub/link"
        assert isinstance(error, NotPermittedPathError)
        assert (root / "sub" / "link").is_symlink()
        self.unchanged(root, tmp_path)

    def test_reported(self, driver: StorageDriver, root: Path, target: str) -> None:
        (root / "sub").mkdir()
        (root / "sub" / "link").symlink_to(target)
        expected = Entry("/sub/link", Kind.SYMLINK)
        assert driver.stat("/sub/link") == expected
        assert driver.list("/sub") == [expected]
        assert list(driver.walk("/sub")) == [expected]
        assert list(driver.walk("/sub", stat=False)) == [expected]

    def test_as_a_directory(
        self, driver: StorageDriver, root: Path, tmp_path: Path, target: str
    ) -> None:
        (root / "link").symlink_to(target)
        for operation in (
            lambda: driver.list("/link"),
            lambda: list(driver.walk("/link")),
            lambda: driver.mkdir("/link"),
        ):
            with pytest.raises(NotPermittedPathError, match=r"^/link is a symlink"):
                operation()
        driver.rmdir("/link")
        assert (root / "link").is_symlink()
        self.unchanged(root, tmp_path)

    def test_temporary_directory(self, driver: StorageDriver, root: Path, tmp_path: Path) -> None:
        """Temporary files do not leave the root either."""
        (tmp_path / "elsewhere").mkdir()
        (root / "regctl").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(NotPermittedPathError, match=r"^/regctl is a symlink"):
            driver.put("/a/b", b"x")
        with pytest.raises(NotPermittedPathError, match=r"^/regctl is a symlink"):
            driver.now()
        assert os.listdir(tmp_path / "elsewhere") == []

    def test_exchanged_all_the_time(self, root: Path, tmp_path: Path) -> None:
        """No read or write leads out of the root while a directory becomes a symlink and back.

        Nor does one take the moment between two looks for an absence.
        """
        driver = CheckedDriver(FilesystemDriver(str(root)))
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "file").write_bytes(b"secret")
        (root / "current").mkdir()
        (root / "current" / "file").write_bytes(b"inside")
        (root / "link").symlink_to(tmp_path / "outside")
        names = os.fsencode(root / "current"), os.fsencode(root / "link")
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
        at_cwd, rename_exchange = -100, 2
        done = threading.Event()

        def keep_exchanging() -> int:
            failures = 0
            while not done.is_set():
                failures += exchange(at_cwd, names[0], at_cwd, names[1], rename_exchange) != 0
            return failures

        seen = set()
        refusals = 0
        with ThreadPoolExecutor(1) as pool:
            exchanger = pool.submit(keep_exchanging)
            try:
                for attempt in range(30_000):
                    try:
                        seen.add(driver.get("/current/file", 99))
                        driver.put("/current/new", b"x")
                    except (NotPermittedPathError, UnavailableError):
                        refusals += 1
                    if attempt >= 300 and seen and refusals:
                        break
            finally:
                done.set()
            assert exchanger.result() == 0
        assert seen == {b"inside"}
        assert refusals > 0
        assert os.listdir(tmp_path / "outside") == ["file"]


class TestOtherThings:
    def test_pipe_does_not_block(self, driver: StorageDriver, root: Path) -> None:
        (root / "plain").write_bytes(b"x")
        os.mkfifo(root / "pipe")
        for operation in every_operation(driver, "/pipe"):
            with pytest.raises((NotPermittedPathError, PathExistsError), match="/pipe"):
                operation()
        assert driver.stat("/pipe") == Entry("/pipe", Kind.OTHER)
        assert [e.kind for e in driver.walk("/", stat=False) if e.name == "pipe"] == [Kind.OTHER]
        assert stat.S_ISFIFO((root / "pipe").lstat().st_mode)

    def test_pipe_with_a_reader(self, driver: StorageDriver, root: Path) -> None:
        """A pipe that can be opened for writing is no upload either."""
        os.mkfifo(root / "pipe")
        reader = os.open(root / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            with pytest.raises(NotPermittedPathError, match="neither a file nor a directory"):
                driver.writer("/pipe")
        finally:
            os.close(reader)

    def test_socket(
        self, driver: StorageDriver, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(root)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
            for operation in (lambda: driver.read("/socket"), lambda: driver.writer("/socket")):
                with pytest.raises(NotPermittedPathError, match="neither a file nor a directory"):
                    operation()

    def test_undecodable_names(self, driver: StorageDriver, root: Path) -> None:
        """Names that are not UTF-8 are listed, read and deleted, and never made."""
        with open(os.fsencode(root) + b"/bad\xff", "wb") as file:
            file.write(b"x")
        [entry] = driver.list("/")
        assert entry.path == "/bad\udcff"
        assert driver.get(entry.path, 9) == b"x"
        for operation in (
            lambda: driver.put(entry.path, b"y"),
            lambda: driver.writer(entry.path),
            lambda: driver.move(entry.path, "/other\udcff"),
            lambda: driver.mkdir("/dir\udcff"),
        ):
            with pytest.raises(NotPermittedPathError, match="UTF-8"):
                operation()
        driver.delete(entry.path)
        assert driver.list("/") == []

    def test_hard_links(self, driver: StorageDriver, root: Path) -> None:
        """rename(2) between two names of one file does nothing; a move leaves the target only."""
        driver.put("/a", b"x")
        os.link(root / "a", root / "b")
        driver.move("/a", "/b")
        assert not (root / "a").exists()
        assert (root / "b").read_bytes() == b"x"

    def test_sparse_limit(self, driver: StorageDriver, root: Path) -> None:
        """A huge file is refused by its size, before it is read."""
        with open(root / "huge", "wb") as file:
            file.truncate(1 << 42)
        with pytest.raises(DamagedError, match=str(1 << 42)):
            driver.get("/huge", 4 << 20)


@pytest.mark.skipif(not is_root, reason="needs another user's rights")
class TestDenied:
    """What may not be seen or changed is an error, never an absence."""

    @pytest.fixture
    def shut(self, root: Path) -> Iterator[Path]:
        for directory in [root, *root.parents][:4]:
            if directory.stat().st_uid == 0:
                os.chmod(directory, directory.stat().st_mode | 0o011)
        (root / "open").mkdir(mode=0o777)
        os.chmod(root / "open", 0o777)
        (root / "shut").mkdir()
        (root / "shut" / "file").write_bytes(b"x")
        (root / "file").write_bytes(b"x")
        os.chmod(root / "file", 0)
        os.chmod(root / "shut", 0)
        yield root
        os.chmod(root / "shut", 0o700)

    def test_unreadable(self, shut: Path) -> None:
        driver = CheckedDriver(FilesystemDriver(str(shut)))
        with as_user(REGISTRY):
            for operation in (
                lambda: driver.get("/file", 9),
                lambda: driver.read("/file"),
                lambda: driver.stat("/shut/file"),
                lambda: driver.get("/shut/file", 9),
                lambda: driver.delete("/shut/file"),
                lambda: driver.rmdir("/shut/file"),
                lambda: driver.list("/shut"),
                lambda: list(driver.walk("/shut")),
                lambda: list(driver.walk("/")),
                lambda: list(driver.walk("/", stat=False)),
            ):
                with pytest.raises(DeniedError, match=r"/file|/shut"):
                    operation()
            [(_, error)] = driver.delete_many(["/shut/file"])
            assert isinstance(error, DeniedError)

    def test_unwritable(self, shut: Path) -> None:
        driver = CheckedDriver(FilesystemDriver(str(shut)))
        with as_user(REGISTRY):
            for operation in (
                lambda: driver.put("/new", b"x"),
                lambda: driver.put("/new", b"x", if_absent=True),
                lambda: driver.put("/new/below", b"x"),
                lambda: driver.writer("/new"),
                lambda: driver.mkdir("/new"),
                lambda: driver.delete("/file"),
                driver.now,
            ):
                with pytest.raises(DeniedError) as caught:
                    operation()
                assert caught.value.hint is not None
        assert sorted(os.listdir(shut)) == ["file", "open", "shut"]

    def test_root_directory_of_another(self, shut: Path) -> None:
        """Where only a part of the tree may be written, the temporary file is made there."""
        os.chmod(shut, 0o711)
        driver = CheckedDriver(FilesystemDriver(str(shut)))
        with as_user(REGISTRY):
            driver.put("/open/a/b", b"x")
            driver.put("/open/a/b", b"y")
            driver.put("/open/a/c", b"z", if_absent=True)
        assert (shut / "open" / "a" / "b").read_bytes() == b"y"
        assert temporary_things(shut) == []


class TestOwners:
    @needs_root
    def test_root_gives_away(self, root: Path) -> None:
        """A registry that is not root must be able to use and remove what root has made."""
        tree = root / "docker"
        tree.mkdir()
        os.chown(tree, REGISTRY, REGISTRY + 1)
        os.chmod(tree, 0o2750)
        driver = CheckedDriver(FilesystemDriver(str(root)))
        driver.put("/docker/a/b/file", b"x")
        driver.put("/docker/a/b/once", b"x", if_absent=True)
        driver.mkdir("/docker/a/made/here")
        with driver.writer("/docker/a/up/data") as writer:
            writer.write(b"x")
            driver.move("/docker/a/up/data", "/docker/blobs/data")
        directories = [tree / each for each in ("a", "a/b", "a/made", "a/made/here", "blobs")]
        files = [tree / each for each in ("a/b/file", "a/b/once", "blobs/data")]
        for path in (*directories, *files):
            status = path.stat()
            assert (status.st_uid, status.st_gid) == (REGISTRY, REGISTRY + 1), path
            mode = 0o640 if path in files else 0o2750
            assert stat.S_IMODE(status.st_mode) == mode, path

    @needs_root
    def test_never_half_made(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Killed while it gives a new directory away, root leaves none that is its own."""
        tree = root / "docker"
        tree.mkdir()
        os.chown(tree, REGISTRY, REGISTRY)
        driver = FilesystemDriver(str(root))
        driver.put("/docker/file", b"x")

        def killed(descriptor: int, parent: os.stat_result) -> None:
            assert not (tree / "new").exists()
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(_directories, "adopt", killed)
            with pytest.raises(KeyboardInterrupt):
                driver.put("/docker/new/file", b"x")
        assert not (tree / "new").exists()
        driver.put("/docker/new/file", b"x")
        assert (tree / "new").stat().st_uid == REGISTRY

    @needs_root
    def test_empty_upload_of_a_kill(self, root: Path) -> None:
        """An upload that root left empty and its own is given away when it is continued."""
        os.chown(root, REGISTRY, REGISTRY)
        (root / "data").write_bytes(b"")
        with FilesystemDriver(str(root)).writer("/data", append=True) as writer:
            writer.write(b"x")
        assert (root / "data").stat().st_uid == REGISTRY

    def test_umask(self) -> None:
        """An ordinary user's files get what the umask leaves."""
        script = (
            "import os, sys; from regctl.drivers.filesystem import FilesystemDriver\n"
            "os.umask(0o027)\n"
            "if os.geteuid() == 0: os.setgid(1234); os.setuid(1234)\n"
            "driver = FilesystemDriver(sys.argv[1])\n"
            "driver.put('/a/file', b'x'); driver.writer('/a/data').commit()\n"
        )
        # Not below pytest's own directory, which nobody else may pass.
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            if is_root:
                os.chown(root, REGISTRY, REGISTRY)
            subprocess.run([sys.executable, "-c", script, directory], check=True)
            assert stat.S_IMODE((root / "a").stat().st_mode) == 0o750
            assert stat.S_IMODE((root / "a" / "file").stat().st_mode) == 0o640
            assert stat.S_IMODE((root / "a" / "data").stat().st_mode) == 0o640


class TestLeftovers:
    def make(self, root: Path, name: str, age: float) -> Path:
        directory = root / "regctl" / "tmp"
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / name
        path.write_bytes(b"torn")
        os.utime(path, (time.time() - age,) * 2)
        return path

    def test_only_old_and_unlocked_go(self, driver: StorageDriver, root: Path) -> None:
        """A crash's leftovers go before the first write; what somebody works on never does."""
        old = self.make(root, "0123456789abcdef.tmp", LEFTOVER_AGE + 60)
        young = self.make(root, "1123456789abcdef.tmp", LEFTOVER_AGE - 60)
        held = self.make(root, "2123456789abcdef.tmp", LEFTOVER_AGE + 60)
        foreign = self.make(root, "notes.txt", LEFTOVER_AGE + 60)
        directory = root / "regctl" / "tmp" / "3123456789abcdef.tmp"
        directory.mkdir()
        os.utime(directory, (time.time() - LEFTOVER_AGE - 60,) * 2)
        with open(held, "rb+") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)
            assert driver.list("/")
            assert old.exists()
            driver.put("/a", b"x")
        assert not old.exists()
        assert not directory.exists()
        assert young.exists()
        assert held.exists()
        assert foreign.exists()

    def test_failed_put_leaves_nothing(
        self, driver: StorageDriver, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driver.put("/a/b", b"old")

        def fail(descriptor: int) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            for if_absent, path in ((False, "/a/b"), (True, "/a/c")):
                with pytest.raises(KeyboardInterrupt):
                    driver.put(path, b"new", if_absent=if_absent)
        assert temporary_things(root) == []
        assert driver.get("/a/b", 9) == b"old"
        assert [entry.name for entry in driver.list("/a")] == ["b"]

    def test_killed_put(self, root: Path) -> None:
        """A process that is killed in the middle of puts leaves whole files and nothing torn."""
        script = (
            "import sys; from regctl.drivers.filesystem import FilesystemDriver\n"
            "driver = FilesystemDriver(sys.argv[1])\n"
            "while True:\n"
            "    for letter in b'ab':\n"
            "        driver.put('/a/b', bytes([letter]) * 300_000)\n"
            "        print(flush=True)\n"
        )
        for _ in range(3):
            child = subprocess.Popen(
                [sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE
            )
            with child:
                assert child.stdout is not None
                child.stdout.readline()
                child.kill()
            content = (root / "a" / "b").read_bytes()
            assert content in (b"a" * 300_000, b"b" * 300_000)
            assert os.listdir(root / "a") == ["b"]

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            (".regctl-0123456789abcdef.tmp", True),
            (".regctl-0123456789abcdef.tmp2", False),
            (".regctl-0123456789ABCDEF.tmp", False),
            ("0123456789abcdef.tmp", False),
            ("latest", False),
            ("", False),
        ],
    )
    def test_is_temporary(self, name: str, expected: bool) -> None:
        assert is_temporary(name) is expected


class TestWriters:
    def test_moved_between_open_and_lock(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Appending to an upload that became a blob after it was opened would corrupt the blob."""
        driver = FilesystemDriver(str(root))
        driver.put("/up/data", b"blob")
        flock = fcntl.flock

        def late(descriptor: int, operation: int) -> None:
            monkeypatch.setattr(fcntl, "flock", flock)
            driver.move("/up/data", "/blobs/data")
            flock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", late)
        with driver.writer("/up/data", append=True) as writer:
            assert writer.size == 0
            writer.write(b"another upload")
            writer.commit()
        assert (root / "blobs" / "data").read_bytes() == b"blob"
        assert (root / "up" / "data").read_bytes() == b"another upload"

    def test_other_process_excluded(self, root: Path) -> None:
        """Two processes never write one upload; the lock goes with the process that had it."""
        script = (
            "import sys; from regctl.drivers.filesystem import FilesystemDriver\n"
            "writer = FilesystemDriver(sys.argv[1]).writer('/up/data')\n"
            "writer.write(b'theirs'); print('ready', flush=True); sys.stdin.read()\n"
        )
        driver = FilesystemDriver(str(root))
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            with pytest.raises(UploadInUseError, match="/up/data") as caught:
                driver.writer("/up/data")
            assert caught.value.exit_code == 6
            assert (root / "up" / "data").read_bytes() == b"theirs"
            child.kill()
        with driver.writer("/up/data", append=True) as writer:
            assert writer.size == 6

    def test_lock_follows_the_file(self, root: Path) -> None:
        """Moved under its writer the file is still locked, and its old path is free."""
        driver = FilesystemDriver(str(root))
        with driver.writer("/up/data") as writer:
            writer.write(b"x")
            driver.move("/up/data", "/blobs/data")
            with pytest.raises(UploadInUseError):
                driver.writer("/blobs/data", append=True)
            driver.writer("/up/data").close()
        driver.writer("/blobs/data", append=True).close()

    def test_without_sync_file_range(
        self, driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the C library has no such call the hint is left out."""
        monkeypatch.setattr(writeback, "_sync_file_range", lambda: None)
        with driver.writer("/a") as writer:
            writer.write(b"x")
            writer.flush_early()
            writer.commit()
        assert driver.get("/a", 9) == b"x"

    def test_early_flush_asks_once(
        self, driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each byte is asked for once, and anew where it was cut off and written again."""
        asked: list[tuple[int, int]] = []

        def call(descriptor: int, offset: int, length: int, flags: int) -> int:
            asked.append((offset, length))
            return 0

        monkeypatch.setattr(writeback, "_sync_file_range", lambda: call)
        with driver.writer("/a") as writer:
            for size in (3, 0, 5):
                writer.write(b"x" * size)
                writer.flush_early()
            writer.truncate(2)
            writer.write(b"yy")
            writer.flush_early()
        assert asked == [(0, 3), (3, 5), (2, 2)]

    def test_short_writes(self, driver: StorageDriver, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the system takes at a time, everything is written."""
        write = os.write

        def little(descriptor: int, data: bytes) -> int:
            return write(descriptor, memoryview(data)[:7])

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", little)
            driver.put("/put", b"0123456789" * 10)
            with driver.writer("/written") as writer:
                writer.write(b"0123456789" * 10)
                assert writer.size == 100
        assert driver.get("/put", 999) == driver.get("/written", 999) == b"0123456789" * 10

    def test_an_interrupt_after_a_write_counts_it(
        self, driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A signal is delivered when the call of the system is done."""
        write = os.write

        def interrupted(descriptor: int, data: bytes) -> int:
            write(descriptor, data)
            raise KeyboardInterrupt

        with driver.writer("/written") as writer:
            with monkeypatch.context() as patch:
                patch.setattr(os, "write", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    writer.write(b"0123")
            assert writer.size == 4
            writer.truncate(4)
        assert driver.get("/written", 9) == b"0123"

    def test_real_sync_file_range(self) -> None:
        """On the systems that this program is made for the call is there."""
        assert writeback._sync_file_range() is not None
