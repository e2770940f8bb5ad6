"""A web server of a folder, on the loopback interface, that can be made to fail."""

import base64
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class FolderServer(ThreadingHTTPServer):
    """The server.

    Attributes
    ----------
    sent : Counter of path, how often the content of a file was sent
    broken : dict of path to number, answers that end in the middle of the file before one is whole
    down : bool, whether every question is answered with state 503
    allowed : tuple of str, user with password (``me:secret``), or the query (``token=secret``); one of them is needed
    shift : int, bytes that are promised and not sent
    has_tags : bool, whether answers have an ETag and a date
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.sent: Counter[str] = Counter()
        self.broken: dict[str, int] = {}
        self.down, self.has_tags, self.shift = False, True, 0
        self.allowed: tuple[str, ...] = ()
        self.moved: dict[str, str] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # connections that are closed on purpose


class _Handler(SimpleHTTPRequestHandler):
    server: FolderServer

    def log_message(self, *args):
        pass

    def send_head(self):
        parts = urlsplit(self.path)
        if self.server.down:
            return self.send_error(503)
        if self.server.allowed and not self._is_allowed(parts.query):
            return self.send_error(401)
        if parts.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[parts.path])
            self.end_headers()
            return None
        return super().send_head()

    def _is_allowed(self, query):
        words = self.headers.get("Authorization", "").split()
        user = base64.b64decode(words[1]).decode() if words[:1] == ["Basic"] else ""
        tokens = {f"{key}={value}" for key, values in parse_qs(query).items() for value in values}
        return bool(tokens.union([user]) & set(self.server.allowed))

    def send_header(self, keyword, value):
        if keyword == "Last-Modified":
            if not self.server.has_tags:
                return
            path = Path(self.translate_path(self.path))
            super().send_header("ETag", hashlib.sha256(path.read_bytes()).hexdigest()[:16])
        if keyword == "Content-Length":
            value = str(int(value) + self.server.shift)
        super().send_header(keyword, value)

    def copyfile(self, source, outputfile):
        path = urlsplit(self.path).path
        self.server.sent[path] += 1
        content = source.read()
        if self.server.broken.get(path, 0):
            self.server.broken[path] -= 1
            content = content[: len(content) // 2]
            self.close_connection = True
        outputfile.write(content)


@contextmanager
def serving(folder: Path) -> Iterator[FolderServer]:
    """Serve a folder during a ``with`` block."""
    server = FolderServer(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
