"""What the tests of the command type, and where they look."""

import json

CLASSES = ("circle", "line", "square")
VERIFY = ["verify", "student.keras", "student.keras", "--data", "data.npz"]


def report_in(out):
    """What the report says, if there is one yet."""
    path = out / "report.json"
    return json.loads(path.read_text()) if path.exists() else {}


def distill(out, *more, teacher="teacher.keras"):
    return [
        "distill", "--teacher", teacher, "--student", "student.keras",
        "--data", "data.npz", "--out", out, "--epochs", "1", "--batch-size", "32",
        *more,
    ]  # fmt: skip
