"""The page over HTTP, on this machine alone: loopback, and only for the page itself."""

import json
import os
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EADDRINUSE
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import resources
from types import FrameType
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from gan_cli.errors import InputError
from gan_cli.explore.requests import ASKED, MOST_BYTES, QUESTION, parse_body
from gan_cli.explore.service import KINDS, Service
from gan_cli.training.signals import handling

HOST = "127.0.0.1"
PORT, TRIED = 8400, 20  # the first port, and how many from there on are tried
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LARGEST = 1 << 16  # bytes of a request's body
UPLOAD = LARGEST + MOST_BYTES * 4 // 3  # of one with a file in it, in base64
DRAINED = 1 << 20  # bytes of a refused one that are read
PATIENCE = 60.0  # seconds that a connection may say nothing
LAST_DRAWING = 5.0  # seconds that the end waits for a drawing under way

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
SCRIPTS = ("page.js", "answers.js", "ask.js", "controls.js", "parts.js", "state.js", "sums.js", "walks.js")
FILES = ("page.html", "page.css", *SCRIPTS)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "media-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Content(NamedTuple):
    """What a path answers with."""

    type: str
    body: bytes


class Refusal(Exception):  # noqa: N818 - what is said, not what went wrong here
    """A request that is not answered. Its arguments: the HTTP status and why."""


class Server(socketserver.ThreadingTCPServer):
    """Listens at once; what comes in waits for `start`."""

    daemon_threads, block_on_close = True, False  # connections that are kept open do not keep the process
    allow_reuse_address = os.name == "posix"
    request_queue_size = 64

    def __init__(self, port: int):
        super().__init__((HOST, port), Handler)
        folder, shared = resources.files("gan_cli.explore"), resources.files("gan_cli.report") / "base.css"
        self.contents = {  # all that can be fetched, by path; nothing else of the disk can
            f"/{file.name}": Content(f"{TYPES[os.path.splitext(file.name)[1]]}; charset=utf-8", file.read_bytes())
            for file in (shared, *(folder / name for name in FILES))
        }
        self.contents["/"] = self.contents["/page.html"]
        self.service: Service | None = None

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def start(self, service: Service) -> None:
        """Answer from now on, in a thread of its own."""
        self.service = service
        self.contents["/model.json"] = Content("application/json", json.dumps(service.description()).encode())
        threading.Thread(target=self.serve_forever, name="explore", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def listen(port: int | None = None) -> Server:
    """A server at this port of the loopback, 0 being any free one; None: PORT or the next that is free.

    Raises InputError when there is none.
    """
    for candidate in [port] if port is not None else range(PORT, PORT + TRIED):
        try:
            return Server(candidate)
        except OSError as error:
            if port is not None or error.errno != EADDRINUSE:
                raise InputError(f"--port {candidate}: {error.strerror}; --port 0 takes any free one") from None
    raise InputError(f"ports {PORT} to {PORT + TRIED - 1} are all taken; --port 0 takes any free one")


def serve(server: Server, service: Service, ready: Callable[[str], None]) -> NoReturn:
    """Answer until a signal ends the process (see `ending_on_signals`); `ready` is told the page's address."""
    server.start(service)
    try:
        ready(server.url)
        while True:
            threading.Event().wait()
    finally:
        server.shutdown()
        service.close(LAST_DRAWING)  # a thread inside XLA when Python ends would abort the process


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP end the process with exit code 0, for the length of the block."""

    def end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        raise SystemExit(0)

    with handling(("SIGTERM", "SIGINT", "SIGHUP"), end):
        yield


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "gan-explore", ""
    timeout = PATIENCE
    disable_nagle_algorithm = True  # an answer is not held back for the browser's acknowledgement
    server: Server

    def do_GET(self) -> None:
        """Answer with the page, its parts or the model's description; or, POST, with a drawing or a file of one."""
        try:
            self._check_sender()
            page = self.path.partition("?")[0]
            content = self._drawing() if self.command == "POST" else self.server.contents.get(page)
            if content is None:
                raise Refusal(HTTPStatus.NOT_FOUND, "there is no such page")
        except Refusal as refusal:
            # The body is read within bounds: bytes left unread when a connection ends can take the answer along.
            length = self.headers.get("Content-Length", "")
            if length.isascii() and length.isdecimal() and len(length) <= 9 and "Transfer-Encoding" not in self.headers:
                self.rfile.read(min(int(length), DRAINED))
            self.send_error(*refusal.args)
        except InputError as error:
            self._send(HTTPStatus.BAD_REQUEST, _error(str(error)))
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:
            traceback.print_exc()
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, _error(f"{type(error).__name__}: {error}"))
        else:
            self._send(HTTPStatus.OK, content)

    do_HEAD = do_POST = do_GET  # noqa: N815 - what the server calls

    def _check_sender(self) -> None:
        """Raise Refusal for what was meant for another machine, and for drawings that another page asks for."""
        hosts = self.headers.get_all("Host", [])
        try:  # names of other sites can point to this machine; a browser says in Host which one it means
            is_ours = len(hosts) == 1 and urlsplit(f"//{hosts[0]}").hostname in LOOPBACK
        except ValueError:
            is_ours = False
        if not is_ours:
            raise Refusal(HTTPStatus.FORBIDDEN, "this page is for this machine: open http://127.0.0.1 or localhost")
        if self.command == "POST":  # from the page itself, or from a program that is no browser and sends neither
            origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "same-origin")
            if (origin is not None and origin.lower() != f"http://{hosts[0]}".lower()) or site != "same-origin":
                raise Refusal(HTTPStatus.FORBIDDEN, "another page may not ask this one for drawings")
            if self.headers.get_content_type() != "application/json":
                raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request is application/json")

    def _drawing(self) -> Content | None:
        """What was drawn for the request in the body; None where there is nothing of this path."""
        service, path = self.server.service, self.path
        suffix = f".{path.removeprefix('/file/')}" if path.startswith("/file/") else ""
        if service is None or (path not in ("/draw", "/answer") and suffix not in KINDS):
            return None
        is_question = path == "/answer"
        largest = UPLOAD if is_question else LARGEST
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "a request needs a Content-Length")
        if len(length) > 9 or int(length) > largest:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request is at most {largest:,} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the request ended early")
        if is_question:
            answer = service.answers.answer(parse_body(body, QUESTION))
            return Content("application/json", json.dumps(answer).encode())
        asked = parse_body(body, ASKED)
        if suffix:
            return Content(KINDS[suffix], service.file(asked, suffix))
        return Content("application/json", json.dumps(service.draw(asked)).encode())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """As JSON; the connection ends, since a body may not have been read."""
        self.close_connection = True
        self._send(HTTPStatus(code), _error(message or HTTPStatus(code).phrase))

    def _send(self, status: HTTPStatus, content: Content) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": content.type, "Content-Length": str(len(content.body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is said of single requests."""


def _error(message: str) -> Content:
    return Content("application/json", json.dumps({"error": message}).encode())
