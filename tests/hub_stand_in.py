"""A stand-in for the Hugging Face Hub on loopback: the endpoints that `huggingface_hub` calls to push and to fetch.

It keeps files in memory, and checks what it is sent: the token, the sizes and SHA-256 of large files, the card's YAML.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

TOKEN = "hf_stand_in"
PAGE = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)


class Hub:
    """What is stored: repositories with one branch, and large files by their SHA-256."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}  # repository -> name -> content
        self.large: dict[str, bytes] = {}
        self.commits: list[dict[str, Any]] = []  # header and names, first to last
        self.visibility: dict[str, str] = {}
        self.requests: list[str] = []
        self.refuse: dict[str, int] = {}  # part of a path -> the status that it is answered with
        self.modes: dict[str, str] = {}  # name -> "lfs" or "regular"
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, data: Any = None, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        body = body if data is None else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def dispatch(self) -> None:
        path = self.path.partition("?")[0]
        self.body = self.received()
        self.hub.requests.append(f"{self.command} {path}")
        for part, status in self.hub.refuse.items():
            if part in path:
                return self.answer(status, {"error": f"refused with {status}"})
        if not path.startswith("/lfs/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "Invalid credentials in Authorization header"})
        for pattern, respond in ROUTES.items():
            if found := re.fullmatch(pattern, f"{self.command} {path}"):
                return respond(self, *found.groups())
        return self.answer(404, {"error": f"the stand-in does not know {self.command} {path}"})

    do_GET = do_POST = do_PUT = do_HEAD = dispatch  # noqa: N815

    def received(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def create(self) -> None:
        asked = json.loads(self.body)
        repo = f"{asked['organization']}/{asked['name']}"
        url = {"url": f"{self.hub.url}/{repo}"}
        if repo in self.hub.files:
            return self.answer(409, {**url, "error": "You already created this model repo"})
        self.hub.files[repo] = {}
        self.hub.visibility[repo] = asked.get("visibility", "public")
        return self.answer(200, url)

    def validate(self) -> None:
        head = PAGE.match(json.loads(self.body)["content"])
        if head is None:
            return self.answer(200, {"errors": [], "warnings": [{"message": "empty or missing yaml metadata"}]})
        try:
            assert isinstance(yaml.safe_load(head[1]), dict)
        except (yaml.YAMLError, AssertionError) as error:
            return self.answer(400, {"errors": [{"message": str(error)}], "warnings": []})
        return self.answer(200, {"errors": [], "warnings": []})

    def preupload(self, repo: str) -> None:
        known = self.hub.files[repo]
        answers = []
        for file in json.loads(self.body)["files"]:
            binary = b"\0" in base64.b64decode(file["sample"])
            mode = self.hub.modes[file["path"]] = "lfs" if binary else "regular"
            there = known.get(file["path"])
            oid = None if there is None else _oid(there, mode)
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.answer(200, {"files": answers})

    def batch(self, repo: str) -> None:
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            place = f"{self.hub.url}/lfs/{wanted['oid']}"
            actions = {"upload": {"href": place}, "verify": {"href": f"{place}/{wanted['size']}"}}
            objects.append({**wanted, **({} if wanted["oid"] in self.hub.large else {"actions": actions})})
        self.answer(200, {"transfer": "basic", "objects": objects})

    def put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.answer(400, {"error": "not what was announced"})
        self.hub.large[oid] = self.body
        return self.answer(200)

    def verify(self, oid: str, size: str) -> None:
        self.answer(200 if len(self.hub.large.get(oid, b"")) == int(size) else 404, {})

    def commit(self, repo: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        new = {}
        for line in lines[1:]:
            value = line["value"]
            small = line["key"] == "file"
            new[value["path"]] = base64.b64decode(value["content"]) if small else self.hub.large[value["oid"]]
        self.hub.files[repo] |= new
        self.hub.commits.append({**lines[0]["value"], "files": sorted(new)})
        oid = self.revision()
        self.answer(200, {"commitUrl": f"{self.hub.url}/{repo}/commit/{oid}", "commitOid": oid, "success": True})

    def revision(self) -> str:
        return hashlib.sha1(str(len(self.hub.commits)).encode()).hexdigest()

    def info(self, repo: str) -> None:
        if repo not in self.hub.files:
            return self.answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        return self.answer(200, {"id": repo, "modelId": repo, "sha": self.revision(), "siblings": []})

    def fetch(self, repo: str, name: str) -> None:
        data = self.hub.files[repo][name]
        self.answer(200, None, {"ETag": f'"{_oid(data, "lfs")}"', "X-Repo-Commit": self.revision()}, data)


def _oid(data: bytes, mode: str) -> str:
    """As git names a file, or git LFS."""
    return (
        hashlib.sha256(data).hexdigest() if mode == "lfs" else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    )


ROUTES: dict[str, Any] = {
    r"POST /api/repos/create": Handler.create,
    r"POST /api/validate-yaml": Handler.validate,
    r"POST /api/models/([^/]+/[^/]+)/preupload/main": Handler.preupload,
    r"POST /([^/]+/[^/]+)\.git/info/lfs/objects/batch": Handler.batch,
    r"PUT /lfs/(\w+)": Handler.put,
    r"POST /lfs/(\w+)/(\d+)": Handler.verify,
    r"POST /api/models/([^/]+/[^/]+)/commit/main": Handler.commit,
    r"GET /api/models/([^/]+/[^/]+)(?:/revision/main)?": Handler.info,
    r"(?:GET|HEAD) /([^/]+/[^/]+)/resolve/main/(.+)": Handler.fetch,
}


@contextmanager
def running() -> Iterator[Hub]:
    """The stand-in, on a free port of loopback."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
