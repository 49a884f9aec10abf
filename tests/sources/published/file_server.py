"""A server of one file, which can be made to fail as servers of large files do."""

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class FileServer:
    """Serves ``content`` under every path, with ranges, and notes what it was asked for.

    Attributes:
        content: The file.
        tag: Its entity tag; none where empty.
        stops_after: Bytes after which the connection is cut, for the answers to come, one each.
        status: In place of the file, where it is not 200.
        asked: The header ``Range`` of each request, None where there was none.
    """

    def __init__(self, content: bytes) -> None:
        self.content, self.tag, self.status = content, '"first"', 200
        self.stops_after: list[int] = []
        self.asked: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        if self.status != 200:
            request.send_error(self.status)
            return
        found = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        same = request.headers.get("If-Range") in (None, self.tag)
        start = int(found[1]) if found and same else 0
        if found and same and start >= len(self.content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.tag:
            request.send_header("ETag", self.tag)
        request.send_header("Content-Length", str(len(self.content) - start))
        request.end_headers()
        stop = self.stops_after.pop(0) if self.stops_after else len(self.content)
        request.wfile.write(self.content[start : start + stop])
        request.close_connection = True
