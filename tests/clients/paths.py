"""Where the clients, the files they run and their results lie; git knows none."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "clients"
FILES = BUILD / "files"
RESULTS = BUILD / "results"
DOWNLOADS = BUILD / "downloads"
TABLE = ROOT / "benchmarks" / "results" / "clients.md"
README = ROOT / "README.md"
