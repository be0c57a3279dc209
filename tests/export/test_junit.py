"""The XML is what build servers take."""

import re
from xml.etree import ElementTree

import pytest

from keras_kd.export import Check, GateResult
from keras_kd.export.verify import junit
from keras_kd.export.verify.gate import refused

RESULT = GateResult(
    (
        Check("bytes", 10, 9, True, "9 bytes, at most 10 allowed."),
        Check(
            "agreement", 0.9, None, False, 'cannot be <measured>: "no" & \x00classes.'
        ),
    )
)
# What both Ant's schema and Jenkins's take: the attributes that each element must
# have, those that it may have, and what it holds in which order.
SCHEMA = {
    "testsuites": (
        set(),
        {"name", "time", "tests", "failures", "errors"},
        "testsuite*",
    ),
    "testsuite": (
        {"name", "timestamp", "hostname", "tests", "failures", "errors", "time"},
        {"id", "package", "skipped"},
        "properties testcase* system-out system-err",
    ),
    "properties": (set(), set(), "property*"),
    "property": ({"name", "value"}, set(), ""),
    "testcase": ({"name", "classname", "time"}, set(), "failure?"),
    "failure": ({"type"}, {"message"}, ""),
    "system-out": (set(), set(), ""),
    "system-err": (set(), set(), ""),
}


def validate(element):
    needed, allowed, content = SCHEMA[element.tag]
    given = set(element.attrib)
    assert needed <= given <= needed | allowed, (element.tag, given)
    pattern = "".join(
        f"(?:{part.rstrip('*?')} ){part[-1] if part[-1] in '*?' else ''}"
        for part in content.split()
    )
    assert re.fullmatch(pattern, "".join(f"{child.tag} " for child in element))
    for child in element:
        validate(child)


def test_the_xml_is_valid_and_counts():
    content = junit(RESULT, "s.tflite", seconds=1.5, properties={"model": "s.keras"})
    assert content.startswith(b"<?xml version=")
    root = ElementTree.fromstring(content)
    validate(root)
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (
        "2", "1", "0",
    )  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["bytes", "agreement"]
    assert cases[0].find("failure") is None
    failure = cases[1].find("failure")
    assert failure.get("message") == 'cannot be <measured>: "no" & ?classes.'
    assert failure.text == "measured None, limit 0.9"
    assert suite.find("properties/property").attrib == {
        "name": "model", "value": "s.keras",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a<b>.tflite", "caf\udce9.tflite", "\x07"])
def test_any_name_is_xml(name):
    validate(ElementTree.fromstring(junit(refused(name), name)))
