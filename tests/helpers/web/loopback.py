"""A web server and a proxy on loopback: files with byte ranges, redirects and checksums as Hugging Face gives them."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Files by path; what was asked, in order; how a transfer is broken off."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # path (a proxy's: the whole address), Range
    break_after: int | None = None  # bytes of the next body that are sent before the connection ends
    ranges: bool = True
    absent: int = 404  # the status for a path without a file
    linked: bool = False  # each file is a redirect whose answer states its sha256

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append((handler.path, handler.headers.get("Range", "")))
        path = "/" + handler.path.split("/", 3)[3] if handler.path.startswith("http:") else handler.path
        path = path.partition("?")[0]
        content = self.files.get(path.removeprefix("/stored"))
        if content is None:
            handler.send_error(self.absent)
            return
        if self.linked and not path.startswith("/stored"):
            handler.send_response(302)
            handler.send_header("Location", f"/stored{path}")
            handler.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        asked = handler.headers.get("Range") if self.ranges else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and start >= len(content):
            handler.send_error(416)
            return
        handler.send_response(206 if asked else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.end_headers()
        body, self.break_after = content[start:][: self.break_after], None
        handler.wfile.write(body)


@contextmanager
def serve() -> Iterator[Site]:
    """A site on a free port of loopback."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.respond(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
