"""The peers on the same machine: Postfix in a directory of its own, smtp-sink and smtp-source."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SBIN = "/usr/sbin"
PATH = os.environ.get("PATH", "") + f":{SBIN}"


def find(command: str) -> str | None:
    return shutil.which(command, path=PATH)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")


@contextlib.contextmanager
def smtp_sink(*options: str) -> Iterator[int]:
    """smtp-sink on a free port; it discards what it accepts."""
    port = free_port()
    command = find("smtp-sink")
    assert command, "smtp-sink is not installed (Debian: postfix)"
    process = subprocess.Popen([command, "-u", "nobody", *options, f"127.0.0.1:{port}", "1000"])
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def smtp_source(port: int, *, messages: int, sessions: int, size: int) -> float:
    """Messages per second that smtp-source got through."""
    command = find("smtp-source")
    assert command
    started = time.perf_counter()
    subprocess.run(
        [command, "-d", "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f", "a@example.test",
         "-t", "b@example.org", f"127.0.0.1:{port}"],
        check=True,
    )  # fmt: skip
    return messages / (time.perf_counter() - started)


@contextlib.contextmanager
def postfix(relay_port: int | None) -> Iterator[tuple[int, Path]]:
    """A Postfix of our own on a free port: relaying to `relay_port`, or holding everything when None."""
    base = Path(tempfile.mkdtemp(prefix="graphpost-postfix-"))
    port = free_port()
    _configure(base, port, relay_port)
    command = find("postfix")
    assert command, "postfix is not installed"
    subprocess.run([command, "-c", str(base / "etc"), "start"], check=True, capture_output=True)
    try:
        wait_for_port(port)
        yield port, base / "spool"
    finally:
        subprocess.run([command, "-c", str(base / "etc"), "stop"], check=False, capture_output=True)
        shutil.rmtree(base, ignore_errors=True)


def _configure(base: Path, port: int, relay_port: int | None) -> None:
    etc, spool, data = base / "etc", base / "spool", base / "data"
    for folder in (etc, spool, data):
        folder.mkdir()
    base.chmod(0o755)
    shutil.chown(data, "postfix")
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": spool,
        "data_directory": data,
        "command_directory": "/usr/sbin",
        "daemon_directory": "/usr/lib/postfix/sbin",
        "mail_owner": "postfix",
        "setgid_group": "postdrop",
        "myhostname": "postfix.example.test",
        "mydestination": "",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "mynetworks": "127.0.0.0/8",
        "relayhost": f"[127.0.0.1]:{relay_port}" if relay_port else "",
        "smtpd_client_restrictions": "" if relay_port else "static:HOLD",
        "smtpd_recipient_restrictions": "permit_mynetworks,reject",
        "smtpd_client_connection_count_limit": "0",
        "smtpd_client_connection_rate_limit": "0",
        "default_process_limit": "100",
        "smtp_destination_concurrency_limit": "20",
        "smtp_dns_support_level": "disabled",
        "smtp_host_lookup": "native",
        "alias_maps": "",
        "alias_database": "",
        "maillog_file": str(base / "mail.log"),
        "maillog_file_prefixes": str(base),
    }
    if not relay_port:
        settings["smtpd_client_restrictions"] = "check_client_access static:HOLD"
    (etc / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    original = Path("/usr/share/postfix/master.cf.dist")
    if not original.exists():
        original = Path("/etc/postfix/master.cf")
    lines = []
    for line in original.read_text().splitlines():
        fields = line.split()
        if fields[:2] == ["smtp", "inet"]:
            lines.append(f"127.0.0.1:{port} inet n - n - - smtpd")
        elif not line.startswith("#"):
            if len(fields) >= 8 and not line[0].isspace():
                fields[4] = "n"  # no chroot: the spool is a directory of ours
                line = " ".join(fields)
            lines.append(line)
    lines.append("postlog unix-dgram n - n - 1 postlogd")
    (etc / "master.cf").write_text("\n".join(dict.fromkeys(lines)) + "\n")
