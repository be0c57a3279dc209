"""Headless Chromium from Python, through playwright-core."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

DRIVER = Path(__file__).with_name("driver.mjs")


class BrowserError(AssertionError):
    """What the page or the browser answered in place of a value."""


class Browser:
    """One Chromium with one page at a time; `browser.text(selector="h1")`."""

    def __init__(self, node: str, chromium: str, modules: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [node, os.fspath(DRIVER), os.fspath(modules), chromium, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __getattr__(self, command: str) -> Any:
        if command.startswith("_"):
            raise AttributeError(command)
        return lambda **arguments: self._ask({"command": command, **arguments})

    def run(self, script: str, argument: Any = None) -> Any:
        """What an async function body returns in the page; `value` is `argument`."""
        body = f"return (async () => {{ {script} }})()"
        return self._ask({"command": "evaluate", "script": body, "argument": argument})

    def _ask(self, question: dict[str, Any]) -> Any:
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise BrowserError("The browser has no pipes.")
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise BrowserError(f"The browser ended with {process.wait()}.")
        answer = json.loads(line)
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()
