"""The page of `export/web/` and the clients' own page, served to one browser."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.clients.install.web import Missing, Web, install
from tests.clients.paths import ROOT
from tests.clients.record import record
from tests.clients.web.browser import Browser

HERE = Path(__file__).parent
CLIENTS = ("LiteRT.js", "onnxruntime-web", "MediaPipe web")


def load_serve() -> ModuleType:
    """`export/web/serve.py`, which is a script and no package."""
    path = ROOT / "export" / "web" / "serve.py"
    spec = importlib.util.spec_from_file_location("export_web_serve", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


serve = load_serve()


@contextlib.contextmanager
def serving(routes: dict[str, Path | bytes]) -> Iterator[str]:
    """Serve routes on a free port of this machine; yields the address."""
    server = serve.make_server(routes)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def web() -> Web:
    """The installed packages, or a skip that says what lacks."""
    try:
        return install()
    except Missing as missing:
        for client in CLIENTS:
            record(client, "", "*", "*", "skipped", str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def browser(web: Web) -> Iterator[Browser]:
    """One headless Chromium."""
    opened = Browser(web.node, web.chromium, web.modules)
    yield opened
    opened.close()
