"""The small leaderboard: one student by every published method, at one budget.

    python benchmarks/leaderboard.py [--data cifar10 digits] [--pairs resnet_resnet]
        [--methods hinton rkd] [--with-kd] [--balanced] [--seeds 3]
        [--budget-minutes 30] [--fast]
    python benchmarks/leaderboard.py --regimes [many_teachers …] [--seeds 3] [--fast]

Teachers and finished runs lie in `build/leaderboard/`, where the next run finds them:
it can be stopped at any time. A run of other settings is another run; that the code of
a loss has changed is not seen, so delete its files there. CIFAR-10 comes from
`keras.datasets`, or from the folder in the variable KERAS_KD_DATA. `--fast` is a look
at every method in a few minutes, on scikit-learn's digits. `--regimes` is a table of
its own: many teachers, none, peers, no data, other architectures, several devices.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from leaderboard.boards import BOARDS, Board  # noqa: E402
from leaderboard.entries import candidates  # noqa: E402
from leaderboard.publish import publish  # noqa: E402
from leaderboard.records import Records  # noqa: E402
from leaderboard.regimes.setting import regimes  # noqa: E402
from leaderboard.regimes.table import run_regimes  # noqa: E402
from leaderboard.sweep import Budget, sweep  # noqa: E402
from timing import RESULTS  # noqa: E402

FOLDER = Path("build/leaderboard")


def main(arguments: list[str] | None = None) -> dict:
    """Run what is missing, within the budget, and write the tables; returns them."""
    options = parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    command = " ".join(["python benchmarks/leaderboard.py", *given])
    if options.regimes is not None:
        return of_regimes(options, command)
    entries = candidates(options.methods, options.with_kd, options.balanced)
    boards, seeds = chosen(options.data, options.pairs), options.seeds
    folder, out = FOLDER, options.out or RESULTS
    if options.fast:
        boards, seeds = [BOARDS["digits-resnet_resnet"].shortened()], 1
        folder = FOLDER / "fast"
        out = options.out or folder
        shutil.rmtree(folder, ignore_errors=True)
    asked = {board.name: Records(folder, board) for board in boards}
    sweep(list(asked.values()), entries, range(seeds), Budget(options.budget_minutes))
    every = asked
    if not options.fast:  # what earlier calls ran stays in the tables
        every = {name: Records(folder, board) for name, board in BOARDS.items()}
    instead = None if options.out or options.fast else folder
    return publish(list(every.values()), boards, entries, seeds, command, out, instead)


def of_regimes(options: argparse.Namespace, command: str) -> dict:
    """The table of regimes, of all or of some by name or topic."""
    board, folder = BOARDS["digits-resnet_resnet"], FOLDER
    if options.fast:
        board, folder = board.shortened(), FOLDER / "fast"
        shutil.rmtree(folder, ignore_errors=True)
    known, asked = regimes(), options.regimes
    strange = set(asked) - set(known) - {one.topic for one in known.values()}
    if strange:
        raise SystemExit(f"No regimes {sorted(strange)}. There are: {list(known)}.")
    picked = [
        one for one in known.values() if not asked or {one.name, one.topic} & set(asked)
    ]
    whole = not asked and not options.fast
    out = options.out or (RESULTS if whole else folder)
    seeds = range(1 if options.fast else options.seeds)
    return run_regimes(board, picked, seeds, folder, out, command)


def chosen(data: list[str], pairs: list[str]) -> list[Board]:
    """The boards of those names.

    Raises:
        ValueError: where there is none.
    """
    found = [b for b in BOARDS.values() if b.data.name in data and b.pair in pairs]
    if not found:
        raise ValueError(f"No board of {data} and {pairs}. There are: {list(BOARDS)}.")
    return found


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument(
        "--data",
        nargs="+",
        choices=sorted({board.data.name for board in BOARDS.values()}),
        default=["digits"],
        help="datasets (default: digits)",
    )
    found.add_argument(
        "--pairs",
        nargs="+",
        choices=sorted({board.pair for board in BOARDS.values()}),
        default=["resnet_resnet"],
        help="teacher and student (default: resnet_resnet)",
    )
    found.add_argument(
        "--methods", nargs="+", help="of keras_kd.methods (default: all)"
    )
    found.add_argument(
        "--regimes", nargs="*", help="regimes by name or topic (default: all of them)"
    )
    found.add_argument(
        "--with-kd",
        action="store_true",
        help="feature and relation methods once more, with hinton() beside them",
    )
    found.add_argument(
        "--balanced",
        action="store_true",
        help="those methods once more, each weighing as much as the hard loss",
    )
    found.add_argument("--seeds", type=int, default=3, help="runs of each (default: 3)")
    found.add_argument(
        "--budget-minutes", type=float, help="start no run that would end later"
    )
    found.add_argument(
        "--out", type=Path, help="folder of the tables (default: benchmarks/results)"
    )
    found.add_argument(
        "--fast", action="store_true", help="every method on digits, for a look"
    )
    return found


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
