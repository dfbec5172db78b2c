"""A single-page application, served from a loopback origin of its own as any web server would."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients import node

PAGE = Path(__file__).parent / "page"
PACKAGES = node.DIRECTORY / "node_modules"
GRAPH_FILES = PACKAGES / "@microsoft/microsoft-graph-client/lib"
STANDARD_FILES = PACKAGES / "oidc-client-ts/dist/browser"
MSAL_FILES = {
    "4": PACKAGES / "msal-browser-4/lib",
    "5": PACKAGES / "@azure/msal-browser/lib",
}
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


@dataclass
class Host:
    """Where the page is; `settings` are what it is told, `files` what is there besides it."""

    url: str
    msal: str
    settings: dict[str, object] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def find(self, path: str) -> bytes | None:
        if path in self.files:
            return self.files[path]
        if path.startswith("/node_modules/"):
            return (node.DIRECTORY / path[1:]).read_bytes()
        name = path.removeprefix("/") or "index.html"
        if name == "settings.js":
            return f"const settings = {json.dumps(self.settings)};".encode()
        msal = MSAL_FILES[self.msal]
        places = (PAGE, GRAPH_FILES, STANDARD_FILES, msal, msal / "redirect-bridge")
        found = next((place / name for place in places if (place / name).is_file()), None)
        return found.read_bytes() if found and "/" not in name else None


@contextmanager
def hosted(msal: str) -> Iterator[Host]:
    """Serve the page with that major version of MSAL until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            data = host.find(path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Type", KINDS.get(Path(path).suffix, KINDS[".html"]))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        host = Host(f"http://localhost:{listener.server_port}", msal)
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield host
        listener.shutdown()
        thread.join()
