"""Node packages and a browser for the clients that live on a page."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.clients.paths import BUILD

PACKAGES = {
    "@litertjs/core": "2.5.3",
    "@litertjs/wasm-utils": "2.5.3",
    "@mediapipe/tasks-vision": "1.1.0",
    "onnxruntime-web": "1.30.0",
    "playwright-core": "1.64.1",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Missing(Exception):
    """Why a client cannot be had on this machine, in one sentence."""


class Web(NamedTuple):
    """Commands and the folder of node packages."""

    node: str
    chromium: str
    modules: Path


def install() -> Web:
    """The browser of this machine, and the packages under `build/clients/web/`.

    Raises:
        Missing: If Node, npm or Chromium lacks, or npm fails.
    """
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        raise Missing("no Chromium: apt-get install chromium")
    node = shutil.which("node")
    if node is None:
        raise Missing("no Node.js: apt-get install nodejs npm")
    return Web(node, chromium, npm_install(BUILD / "web", PACKAGES))


def npm_install(folder: Path, packages: dict[str, str]) -> Path:
    """Install exactly these packages into a folder, once; its `node_modules`.

    Raises:
        Missing: If npm lacks or fails.
    """
    wanted = json.dumps({"private": True, "dependencies": packages}, indent=2) + "\n"
    manifest, modules = folder / "package.json", folder / "node_modules"
    done = all((modules / name / "package.json").is_file() for name in packages)
    if done and manifest.is_file() and manifest.read_text() == wanted:
        return modules
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("no npm: apt-get install npm")
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write_text(wanted)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    finished = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    if finished.returncode:
        reason = (finished.stderr.strip() or finished.stdout.strip()).splitlines()
        raise Missing(f"npm install failed: {reason[0] if reason else 'no reason'}")
    return modules
