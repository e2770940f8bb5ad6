"""A server of buckets as S3 has them, on the loopback interface: it lists, describes and sends objects."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).strip("/").partition("/")
        root = self.server.folder / bucket
        if f"Credential={self.server.user}/" not in self.headers.get("Authorization", ""):
            self._send(403, _error("InvalidAccessKeyId"))
        elif not bucket or not root.is_dir():
            self._send(404, _error("NoSuchBucket"))
        elif not key:
            self._send(200, self._listing(root, bucket, parse_qs(parts.query)))
        elif (root / key).is_file():
            content = (root / key).read_bytes()
            tag = hashlib.md5(content).hexdigest()
            date = formatdate((root / key).stat().st_mtime, usegmt=True)
            self.server.sent += [key] if self.command == "GET" else []
            self._send(200, content, {"ETag": f'"{tag}"', "Last-Modified": date}, "application/octet-stream")
        else:
            self._send(404, _error("NoSuchKey"))

    def _send(self, state, content, headers=None, kind="application/xml"):
        self.send_response(state)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    @staticmethod
    def _listing(root, bucket, query):
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        keys = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file()]
        keys = [key for key in keys if key.startswith(prefix)]
        inside = [key for key in keys if not delimiter or delimiter not in key[len(prefix) :]]
        folders = sorted(
            {prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter for key in set(keys) - set(inside)}
        )
        objects = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"0"</ETag><Size>{(root / key).stat().st_size}</Size></Contents>'
            for key in inside
        )
        objects += "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders)
        return (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(inside) + len(folders)}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"
        ).encode()


def _error(code):
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'.encode()


@contextmanager
def serving_buckets(folder: Path, user: str) -> Iterator[ThreadingHTTPServer]:
    """Serve the sub-folders of a folder as buckets during a ``with`` block, to a user with this access key.

    The server has the attributes ``address`` and ``sent``, the names of the objects that were sent.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.folder, server.user, server.sent = folder, user, []
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
