"""A gate's result in the XML that build servers read."""

from __future__ import annotations

import datetime
import re
import socket
from collections.abc import Mapping
from xml.etree import ElementTree

from keras_kd.export.verify.gate import GateResult


def junit(
    result: GateResult,
    name: str,
    *,
    seconds: float = 0.0,
    properties: Mapping[str, object] | None = None,
) -> bytes:
    """A test suite with a test case for each check.

    Args:
        result: As `Gate.check` gives it.
        name: String. The name of the file that was checked.
        seconds: Float. How long it took. Defaults to `0.0`.
        properties: Dict of what a reader may want to know of the run. Defaults to
            `None`.

    Returns:
        The bytes of the XML file: `testsuites` > `testsuite` > `testcase`, with a
        `failure` in what did not pass.

    Example:

    ```python
    report = verify(model, export_tflite(model, "s.tflite"), np.random.rand(50, 4))
    junit(Gate(max_bytes=9_999).check(report), "s.tflite")  # b"<?xml version=..."
    ```
    """
    counts = {
        "tests": str(len(result.checks)),
        "failures": str(sum(not check.passed for check in result.checks)),
        "errors": "0",
        "time": f"{seconds:.3f}",
    }
    # Ant's schema lets the root have no attribute, Jenkins's needs none.
    root = ElementTree.Element("testsuites")
    now = datetime.datetime.now(datetime.timezone.utc)
    attributes = {
        "id": "0",
        "package": "keras_kd",
        "name": _plain(name),
        "skipped": "0",
        "hostname": _plain(socket.gethostname()) or "localhost",
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S"),  # the schema wants no zone
    }
    suite = ElementTree.SubElement(root, "testsuite", {**attributes, **counts})
    listed = ElementTree.SubElement(suite, "properties")
    for key, value in (properties or {}).items():
        pair = {"name": _plain(key), "value": _plain(str(value))}
        ElementTree.SubElement(listed, "property", pair)
    for check in result.checks:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"name": _plain(check.name), "classname": _plain(name), "time": "0.000"},
        )
        if not check.passed:
            told = {"message": _plain(check.message), "type": "GateFailure"}
            failure = ElementTree.SubElement(case, "failure", told)
            failure.text = (
                f"measured {_plain(str(check.measured))}, "
                f"limit {_plain(str(check.limit))}"
            )
    said = "\n".join(f"{check.name}: {check.message}" for check in result.checks)
    ElementTree.SubElement(suite, "system-out").text = _plain(said)
    ElementTree.SubElement(suite, "system-err")
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True) + b"\n"


def _plain(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
