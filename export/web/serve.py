"""Serve a student on a page of this machine.

    python export/web/serve.py student.tflite --labels labels.txt

The page reads size, types, scales, labels and normalisation from the file itself; this
command only hands it the file, the files beside it and the LiteRT.js runtime of
`npm install --prefix export/web`. Nothing is fetched from elsewhere.
"""

from __future__ import annotations

import argparse
import functools
import json
import mimetypes
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
}
# Threads of WebAssembly share memory, which a browser allows an isolated page only.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class Handler(BaseHTTPRequestHandler):
    """Answers GET from folders, files and ready-made answers, and nothing else."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: object, routes: dict[str, Path | bytes]) -> None:
        self.routes = routes
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        body, kind = self._find(urllib.parse.urlsplit(self.path).path)
        self.send_response(200 if body is not None else 404)
        content = b"Not found." if body is None else body
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def _find(self, raw: str) -> tuple[bytes | None, str]:
        path = urllib.parse.unquote(raw)
        path += "index.html" if path.endswith("/") else ""
        for prefix in sorted(self.routes, key=len, reverse=True):
            target = self.routes[prefix]
            if isinstance(target, bytes):
                if path == prefix:
                    return target, TYPES[".json"]
            elif prefix.endswith("/") and path.startswith(prefix):
                found = (target / path[len(prefix) :]).resolve()
                if found.is_relative_to(target.resolve()) and found.is_file():
                    return found.read_bytes(), type_of(found)
            elif path == prefix and target.is_file():
                return target.read_bytes(), type_of(target)
        return None, TYPES[".txt"]

    def log_message(self, format: str, *args: object) -> None:
        """Silence: a line a request hides the one line that matters."""


def type_of(path: Path) -> str:
    """The media type of a file; browsers refuse modules and wasm under another."""
    guessed = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return guessed or "application/octet-stream"


def student_routes(
    student: Path, labels: Path | None = None, samples: Path | None = None
) -> dict[str, Path | bytes]:
    """What the page asks for about one student.

    `/student.json` names the file and what lies beside it: its report, its recipe,
    labels, and pictures to try.
    """
    routes: dict[str, Path | bytes] = {f"/student/{student.name}": student}
    quoted = urllib.parse.quote(student.name)
    about: dict[str, object] = {"model": f"student/{quoted}"}
    for kind in ("report", "recipe"):
        beside = student.with_name(f"{student.stem}.{kind}.json")
        if beside.is_file():
            about[kind] = json.loads(beside.read_text(encoding="utf-8"))
    if labels is not None:
        lines = labels.read_text(encoding="utf-8").splitlines()
        about["labels"] = [line.strip() for line in lines if line.strip()]
    if samples is not None:
        pictures = sorted(p for p in samples.iterdir() if p.suffix.lower() in PICTURES)
        about["samples"] = [f"samples/{urllib.parse.quote(p.name)}" for p in pictures]
        routes["/samples/"] = samples
    routes["/student.json"] = json.dumps(about).encode()
    return routes


def make_server(routes: dict[str, Path | bytes], port: int = 0) -> ThreadingHTTPServer:
    """A server on this machine's loopback address; port 0 takes a free one."""
    handler = functools.partial(Handler, routes=routes)
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def page_routes(modules: Path) -> dict[str, Path | bytes]:
    """The page, and the runtime it imports."""
    return {"/": HERE / "app", "/vendor/": modules}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("student", type=Path, nargs="?", help="a .tflite file")
    parser.add_argument("--labels", type=Path, help="one label a line, in class order")
    parser.add_argument("--samples", type=Path, help="a folder of pictures to offer")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--modules", type=Path, default=HERE / "node_modules", help=argparse.SUPPRESS
    )
    options = parser.parse_args(arguments)
    if not (options.modules / "@litertjs" / "core").is_dir():
        return complain("LiteRT.js is missing. Run: npm install --prefix export/web")
    routes = page_routes(options.modules)
    if options.student is None:
        routes["/student.json"] = b"{}"
    elif options.student.suffix != ".tflite" or not options.student.is_file():
        return complain(f"Expected a .tflite file. Received: {str(options.student)!r}.")
    else:
        for kind, path in (
            ("--labels", options.labels),
            ("--samples", options.samples),
        ):
            if path is not None and not path.exists():
                return complain(f"{kind}: there is no {str(path)!r}.")
        routes |= student_routes(options.student, options.labels, options.samples)
    try:
        server = make_server(routes, options.port)
    except OSError as error:
        return complain(f"Port {options.port} cannot be had ({error}). Use --port.")
    with server:
        print(f"http://localhost:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def complain(sentence: str) -> int:
    """One sentence to stderr, and the exit status of a wrong call."""
    print(sentence, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
