"""An event log over HTTP that misbehaves in every way that one can."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PATH = "/v1/events"


class Log:
    """A server that answers as it is told, then from its lines."""

    def __init__(self):
        self.lines, self.answers, self.asked = [], [], []
        log = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                log.asked.append((self.path, self.headers.get("authorization")))
                log.answer(self)

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler):
        status, body = self.answers.pop(0) if self.answers else (200, self.page(handler.path))
        if status == 0:
            handler.connection.close()
            return
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def page(self, path):
        query = parse_qs(urlsplit(path).query)
        after, limit = int(query["after"][0]), int(query["limit"][0])
        return b"".join(line + b"\n" for line in self.lines[after : after + limit])

    def fill(self, count):
        self.lines = [b'{"seq": %d, "event_id": "e-%d"}' % (number, number) for number in range(1, count + 1)]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
