"""A proxy in front of an S3 server that counts requests and bytes, and makes the store slow, read-only or lost."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread, local
from typing import Any

WRITES = ("PUT", "POST", "DELETE")
HOPS = ("transfer-encoding", "connection", "content-length")
DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"


@dataclass
class Store:
    """What the proxy does and has counted. `latency` in seconds; every `busy_every`-th request is answered by 503."""

    port: int
    address: str = ""
    latency: float = 0.0
    busy_every: int = 0
    read_only: bool = False
    denied: bool = False
    lost: bool = False
    requests: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    lock: Any = field(default_factory=Lock)

    def well(self) -> None:
        """Makes the store answer as it should, and counts from nothing."""
        self.latency, self.busy_every, self.read_only, self.denied, self.lost = 0.0, 0, False, False, False
        self.requests.clear()
        self.bytes_in = self.bytes_out = 0


@contextmanager
def s3_proxy(port: int) -> Iterator[Store]:
    """A store on a port of its own, in front of the server on `port`."""
    store = Store(port)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": store, "kept": local()}))
    server.daemon_threads = True
    store.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    store: Store
    kept: Any
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _pass(self) -> None:
        if self.store.lost:
            self.close_connection = True  # without an answer
            return
        body = self._body()
        with self.store.lock:
            self.store.requests[self.command] += 1
            self.store.bytes_in += len(body)
            number = sum(self.store.requests.values())
        time.sleep(self.store.latency)
        if self.store.denied or (self.store.read_only and self.command in WRITES):
            return self._send(403, {"Content-Type": "application/xml"}, DENIED)
        if self.store.busy_every and number % self.store.busy_every == 0:
            return self._send(503, {"Content-Type": "application/xml"}, BUSY)
        status, headers, content = self._ask(body)
        with self.store.lock:
            self.store.bytes_out += len(content)
        self._send(status, headers, content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in (*HOPS, "expect")}
        headers["Content-Length"] = str(len(body))
        connection = HTTPConnection("127.0.0.1", self.store.port, timeout=60)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, dict(answer.getheaders()), content
        finally:
            connection.close()

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        for name, value in headers.items():
            if name.lower() not in HOPS:
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
