"""The memory of a process that reads a store once: `python -m stored_teacher.memory`.

A process's resident memory counts the pages of mapped files, which the system takes
back when it needs them; so what is the process's own is told apart from them.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

STATUS = Path("/proc/self/status")
KINDS = {"anonymous": "RssAnon", "mapped": "RssFile"}


class Peak(threading.Thread):
    """Watches the memory until it is stopped; `megabytes` is the most it saw."""

    def __init__(self, every: float = 0.01):
        super().__init__(daemon=True)
        self.every, self.megabytes = every, now()
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(self.every):
            self.look()

    def look(self) -> None:
        """Take the memory of this moment into account."""
        self.megabytes = {
            kind: max(size, self.megabytes[kind]) for kind, size in now().items()
        }

    def stop(self) -> dict[str, int]:
        """End watching; returns the most."""
        self._stopped.set()
        self.join()
        self.look()
        return self.megabytes


def now() -> dict[str, int]:
    """Megabytes of this process's own, and of files mapped into it."""
    if not STATUS.exists():  # not Linux: the peak of both together
        import resource

        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"anonymous": size // 1024**(2 if sys.platform == "darwin" else 1),
                "mapped": 0}  # fmt: skip
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return {kind: int(lines[name].split()[0]) // 1024 for kind, name in KINDS.items()}


def main(folder: Path) -> dict[str, int]:
    """Read the store in a folder that `reading.written` made, from end to end."""
    from keras_kd.store import StoredTeacher

    from .reading import BATCH, mapped

    peak = Peak()
    peak.start()
    store = StoredTeacher(folder / "store")
    for _ in store.dataset(mapped(folder), batch_size=BATCH):
        pass
    return peak.stop()


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
