"""A real Postfix for tests and benchmarks, on a port of its own.

    with Postfix(relayhost=f"[127.0.0.1]:{port}") as postfix:
        ...  # postfix.port takes mail; postfix.log

Nothing of an installed Postfix's configuration is used, only its programs.  Postfix has to be started by root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from graphpost.testing.ports import free_port

_DAEMONS: Final = ("/usr/lib/postfix/sbin", "/usr/libexec/postfix", "/usr/lib/postfix")
_PATH: Final = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
_SETTINGS: Final = {
    "compatibility_level": "3.6",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "myhostname": "postfix.example.test",
    "mydestination": "",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "smtpd_recipient_restrictions": "permit_mynetworks,reject",
    "smtp_dns_support_level": "disabled",
    "smtp_host_lookup": "native",
    "alias_maps": "",
    "alias_database": "",
    "message_size_limit": "0",
    "mailbox_size_limit": "0",
    "virtual_mailbox_limit": "0",
}
_SERVICES: Final = """
pickup    unix  n - n 1 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def why_not() -> str:
    """Why no Postfix can be started here; '' when one can."""
    if shutil.which("postfix", path=_PATH) is None or _daemons() is None:
        return "Postfix is not installed (Debian: postfix)"
    return "" if os.geteuid() == 0 else "Postfix can be started by root only"


class Postfix:
    """A context manager.  `settings` are parameters of main.cf; `{base}` in them is the directory.

    `users` are addresses with a mailbox here (Maildir), and their domains are this Postfix's.
    """

    def __init__(self, *, users: Sequence[str] = (), **settings: str) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="graphpost-postfix-", dir="/tmp"))
        self.port = free_port()
        self._users = users
        self._settings = settings
        self._etc = self.base / "etc"

    @property
    def log(self) -> str:
        file = self.base / "mail.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def __enter__(self) -> Self:
        try:
            self._configure()
            self._run("postfix", "-c", str(self._etc), "start")
            until(self._answers)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def sendmail(self, sender: str, message: bytes, *recipients: str) -> None:
        """Submit a message (LF line ends), as a program on Postfix's machine does."""
        self._run("sendmail", "-C", str(self._etc), "-i", "-f", sender, "--", *recipients, given=message)

    def flush(self) -> None:
        """Try all that waits, now."""
        self._run("postqueue", "-c", str(self._etc), "-f")

    def mailbox(self, user: str) -> list[bytes]:
        """What is in a user's mailbox, with CRLF line ends, without what Postfix put above it (three fields)."""
        found = sorted((self.base / "mail" / user / "new").glob("*"))
        return [file.read_bytes().replace(b"\n", b"\r\n").split(b"\r\n", 3)[3] for file in found]

    def wait_for_mail(self, user: str, number: int = 1) -> list[bytes]:
        """A user's mail, once there is so much; TimeoutError when it does not come."""
        until(lambda: len(self.mailbox(user)) >= number, lambda: self.log)
        return self.mailbox(user)

    def find_mail(self, user: str, *parts: bytes) -> bytes:
        """The one message of a user's with these octets in it, once it is there."""

        def found() -> list[bytes]:
            return [each for each in self.mailbox(user) if all(part in each for part in parts)]

        until(lambda: bool(found()), lambda: self.log)
        (message,) = found()
        return message

    def wait_for_log(self, text: str) -> None:
        until(lambda: text in self.log, lambda: self.log)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as probe:
                return probe.recv(3) == b"220"
        except OSError:
            return False

    def _end(self) -> None:
        command = shutil.which("postfix", path=_PATH)
        if command is not None:
            subprocess.run([command, "-c", str(self._etc), "stop"], check=False, capture_output=True)  # noqa: S603
        shutil.rmtree(self.base, ignore_errors=True)

    def _run(self, program: str, *arguments: str, given: bytes = b"") -> None:
        command = shutil.which(program, path=_PATH)
        if command is None:
            raise FileNotFoundError(program)
        done = subprocess.run([command, *arguments], input=given, capture_output=True, check=False)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode('utf-8', 'replace')}")

    def _configure(self) -> None:
        self.base.chmod(0o755)
        for name in ("etc", "spool", "data", "mail"):
            (self.base / name).mkdir()
        shutil.chown(self.base / "data", "postfix")
        shutil.chown(self.base / "mail", "nobody")
        settings = _SETTINGS | {
            "queue_directory": "{base}/spool",
            "data_directory": "{base}/data",
            "command_directory": "/usr/sbin",
            "daemon_directory": str(_daemons()),
            "maillog_file": "{base}/mail.log",
            "maillog_file_prefixes": "{base}",
        }
        settings |= self._mailboxes() | self._settings
        lines = [f"{key} = {value.replace('{base}', str(self.base))}\n" for key, value in settings.items()]
        (self._etc / "main.cf").write_text("".join(lines))
        smtpd = f"127.0.0.1:{self.port} inet n - n - - smtpd"
        (self._etc / "master.cf").write_text(smtpd + _SERVICES)

    def _mailboxes(self) -> dict[str, str]:
        if not self._users:
            return {}
        (self._etc / "users").write_text("".join(f"{user} {user}/\n" for user in self._users))
        domains = dict.fromkeys(user.rpartition("@")[2] for user in self._users)
        nobody = str((self.base / "mail").stat().st_uid)
        return {
            "virtual_mailbox_domains": ", ".join(domains),
            "virtual_mailbox_base": "{base}/mail",
            "virtual_mailbox_maps": "texthash:{base}/etc/users",
            "virtual_uid_maps": f"static:{nobody}",
            "virtual_gid_maps": f"static:{nobody}",
        }


def until(is_so: Callable[[], bool], detail: Callable[[], str] = str, seconds: float = 60.0) -> None:
    """Look until it is so; TimeoutError when it is not in that time."""
    end, tick = time.monotonic() + seconds, threading.Event()
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"it did not become so in {seconds} seconds\n{detail()}")
        tick.wait(0.02)


def _daemons() -> Path | None:
    return next((Path(each) for each in _DAEMONS if (Path(each) / "smtpd").exists()), None)
