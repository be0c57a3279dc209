"""The report: strict JSON, a page that stands alone, and neither ever half."""

import base64
import datetime
import html.parser
import json
import math
import pathlib
import re
import struct
import zlib

import numpy as np
import pytest

from keras_kd.export.page import (
    axes,
    charts,
    files,
    read_report,
    render,
    words,
    write_report,
)
from keras_kd.export.page.markup import VOID, Markup, element
from keras_kd.export.page.pictures import LARGEST, data_uri

HOSTILE = "<script>alert('x')</script> & \"quoted\" </style>"


def report():
    """All parts that the page knows."""
    curve = [0.5 + 0.02 * epoch for epoch in range(20)]
    seeds = [0.95, 0.96, 0.97]
    return {
        "title": "Digits",
        "created": "2026-01-31 12:00",
        "versions": {"keras": "3.15.1"},
        "dataset": {
            "name": "digits", "train": 1200, "labelled": 100, "test": 500,
            "classes": 3, "image_shape": [8, 8, 1], "class_names": ["a", "b", "c"],
        },
        "setting": {"temperature": 4.0, "augment": None, "baseline": True},
        "teacher": {"name": "wide", "accuracy": 0.98, "params": 120_000},
        "student": {
            "name": "narrow", "accuracy": 0.96, "params": 10_000,
            "accuracy_by_seed": seeds, "accuracy_std": 0.008,
        },
        "baseline": {
            "name": "narrow", "accuracy": 0.93, "params": 10_000,
            "accuracy_by_seed": [0.92, 0.93, 0.94],
        },
        "history": {
            "teacher": {"val_accuracy": curve},
            "student": {
                "loss": [3.0, 0.02], "hard_loss": [2.0, 0.01],
                "kl_distillation": [1.0, 0.5], "accuracy": [0.1, 0.2],
                "val_accuracy": curve, "val_loss": [1.0, 1.0],
            },
            "baseline": {"val_accuracy": [0.3, None, 0.5]},
        },
        "classes": [
            {
                "name": name, "samples": 50, "teacher_accuracy": 0.98,
                "student_accuracy": 0.9, "agreement": 0.91,
            }
            for name in "abcdefghij"
        ],
        "artifacts": [
            {
                "recipe": recipe, "path": f"student_{recipe}.tflite", "bytes": size,
                "accuracy": 0.95, "agreement": 0.99, "latency_ms_p50": 0.05,
                "max_error": 0.01,
            }
            for recipe, size in (("float32", 48_000), ("int8", 17_400))
        ],
        "seconds": {"teacher": 31.0, "student": 62.0},
        "command": "keras-kd distill --data digits",
        "missing": [],
    }  # fmt: skip


def pictures(**words_of):
    said = {"label": "a", "teacher": "b", "student": "c"} | words_of
    return {"disagreements": [{"image": np.eye(8)[..., None], **said}]}


class Balanced(html.parser.HTMLParser):
    """Fails on a tag that is not closed; collects attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in VOID | {"meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page(fields, folder, shown=None):
    write_report(fields, folder, shown)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_json_round_trips(tmp_path):
    write_report(report(), tmp_path / "new" / "folder")
    assert read_report(tmp_path / "new" / "folder") == report()


def test_json_is_strict_and_plain(tmp_path):
    fields = {
        "title": "t",
        "nan": math.nan,
        "inf": [np.float32("inf"), 1.5],
        "scalar": np.int64(3),
        "array": np.array([[1, 2], [3, 4]]),
        "path": pathlib.Path("a/b"),
        "day": datetime.date(2026, 1, 31),
        "pair": (1, 2),
        5: np.bool_(True),
    }
    write_report(fields, tmp_path)

    def refuse(constant):
        raise AssertionError(constant)

    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == {
        "title": "t",
        "nan": None,
        "inf": [None, 1.5],
        "scalar": 3,
        "array": [[1, 2], [3, 4]],
        "path": "a/b",
        "day": "2026-01-31",
        "pair": [1, 2],
        "5": True,
    }


def test_page_is_balanced_and_complete(tmp_path):
    text = page(report(), tmp_path, pictures())
    seen = " ".join(Balanced(text).text)
    for row in report()["artifacts"]:
        assert row["recipe"] in seen and row["path"] in seen
    for wanted in (
        "12.0×", "98.0%", "+3.0", "17.4 kB", "Validation accuracy", "kl distillation",
        "1 min 2 s", "keras-kd distill --data digits", "Where they differ", "± 0.8",
    ):  # fmt: skip
        assert wanted in seen, wanted


def test_page_loads_nothing(tmp_path):
    fields = report() | {"title": "http://example.org/x.png"}
    fields["pictures"] = {"disagreements": [{"image": "https://example.org/x.png"}]}
    parsed = Balanced(page(fields, tmp_path))
    loads = [a for a in parsed.attributes if a[1] in ("src", "href", "srcset", "data")]
    assert loads == []
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "@import" not in text and "url(" not in text and "<script" not in text
    assert "default-src 'none'" in text


def test_pictures_are_data_and_survive_drawing_again(tmp_path):
    first = page(report(), tmp_path, pictures())
    sources = [a[2] for a in Balanced(first).attributes if a[1] == "src"]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    write_report(read_report(tmp_path), tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == first


def hostile(value):
    """The same structure with every string replaced."""
    if isinstance(value, dict):
        return {key: hostile(part) for key, part in value.items()} | {HOSTILE: HOSTILE}
    if isinstance(value, list):
        return [hostile(part) for part in value]
    return HOSTILE if isinstance(value, str) else value


def test_hostile_names_are_text(tmp_path):
    said = dict.fromkeys(("label", "teacher", "student"), HOSTILE)
    text = page(hostile(report()), tmp_path, pictures(**said))
    parsed = Balanced(text)
    assert "<script" not in text
    assert HOSTILE in parsed.text
    names = {name for _, name, _ in parsed.attributes}
    assert not {name for name in names if name.startswith("on")}


def test_names_that_are_no_unicode(tmp_path):
    text = page({"title": "caf\udce9", "command": "ls caf\udce9"}, tmp_path)
    assert "caf?" in text
    assert read_report(tmp_path)["title"] == "caf\udce9"


@pytest.mark.parametrize("absent", sorted(set(report()) - {"title"}))
def test_every_part_is_optional(absent, tmp_path):
    fields = report()
    del fields[absent]
    Balanced(page(fields, tmp_path))
    Balanced(page({"title": "t", absent: report()[absent]}, tmp_path))
    Balanced(page(report() | {absent: None}, tmp_path))


def test_a_report_of_the_first_stage(tmp_path):
    fields = {key: report()[key] for key in ("title", "teacher", "seconds")}
    fields["missing"] = ["student", "export"]
    text = " ".join(Balanced(page(fields, tmp_path)).text)
    assert "Not finished" in text and "student, export" in text
    assert "None" not in text and "nan" not in text


def test_empty_and_unusable_numbers(tmp_path):
    fields = report()
    fields["teacher"] |= {"params": 0, "accuracy": math.nan}
    fields["history"] = {"student": {"loss": [], "val_accuracy": [None]}, "teacher": 3}
    fields["artifacts"] = [{"recipe": "int8"}, {}, 7]
    fields["classes"] = [{"name": "a"}, {"name": "b", "agreement": 0.0}]
    text = " ".join(Balanced(page(fields, tmp_path)).text)
    assert "nan" not in text and "None" not in text


@pytest.mark.parametrize("where", ["os.replace", "keras_kd.export.page.files.render"])
def test_a_failure_leaves_the_old_report(where, tmp_path, monkeypatch):
    write_report({"title": "old"}, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(where, fail)
    with pytest.raises(OSError, match="disk full"):
        write_report({"title": "new"}, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_json_cannot_hold_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"report\['setting'\]\['f'\]`.*builtin"):
        write_report({"title": "t", "setting": {"f": print}}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fields", [{}, {"title": ""}, {"title": 3}])
def test_a_report_has_a_title(fields, tmp_path):
    with pytest.raises(ValueError, match="`report` must have a 'title'.*Received"):
        write_report(fields, tmp_path)


def test_reading_what_is_no_report(tmp_path):
    with pytest.raises(FileNotFoundError, match="no report"):
        read_report(tmp_path)
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(ValueError, match="not a JSON file"):
        read_report(tmp_path)
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(ValueError, match="one JSON object"):
        read_report(tmp_path)


def decoded(uri):
    """The pixels of a PNG whose lines are unfiltered, by the format's own rules."""
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    width, height, depth, color = struct.unpack(">IIBB", content[16:26])
    channels = {0: 1, 2: 3, 6: 4}[color]
    assert depth == 8 and content[:8] == b"\x89PNG\r\n\x1a\n"
    place, body = 8, b""
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        data = content[place + 8 : place + 8 + length]
        check = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
        assert check[0] == zlib.crc32(kind + data)
        body += data if kind == b"IDAT" else b""
        place += 12 + length
    lines = np.frombuffer(zlib.decompress(body), "uint8").reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_holds_the_pixels(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), "uint8")
    np.testing.assert_array_equal(decoded(data_uri(image)), image)
    np.testing.assert_array_equal(decoded(data_uri(image / 255.0)), image)


def test_large_pictures_are_averaged_and_odd_values_kept_in_range():
    image = np.full((4 * LARGEST, 3, 1), 0.5)
    image[:4] = 2.0
    image[-4:] = np.nan
    pixels = decoded(data_uri(image))
    assert pixels.shape == (LARGEST, 1, 1)
    assert pixels[0, 0, 0] == 255 and pixels[1, 0, 0] == 128 and pixels[-1, 0, 0] == 0


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (0, 2, 3), (1, 2, 2, 3)])
def test_what_is_no_picture(shape):
    with pytest.raises(ValueError, match="A picture must have shape"):
        data_uri(np.zeros(shape))


def test_markup_escapes_all_but_markup():
    assert element("p", "<", Markup("<b></b>"), ["&", None], title='"') == (
        '<p title="&quot;">&lt;<b></b>&amp;</p>'
    )


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.92, 0.99, [0.92, 0.94, 0.96, 0.98]), (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0])],
)
def test_ticks_are_round_and_inside(low, high, expected):
    np.testing.assert_allclose(axes.Scale(low, high, 0, 1).ticks(), expected, atol=1e-9)


def test_any_range_has_ticks():
    rng = np.random.default_rng(0)
    for _ in range(200):
        low = rng.uniform(-1, 1) * 10 ** rng.uniform(-6, 6)
        high = low + 10 ** rng.uniform(-5, 6)
        ticks = axes.Scale(low, high, 0, 1).ticks()
        assert 2 <= len(ticks) <= 7
        low, high = abs(low), abs(low) + 40 * abs(low) * rng.uniform(1, 100)
        ticks = axes.Scale(low, high, 0, 1, logarithmic=True).ticks()
        assert 1 <= len(ticks) <= 8
        assert all(low <= tick <= high for tick in ticks)


def test_a_line_ends_where_its_last_value_lies():
    svg = charts.line_chart("t", [charts.Series("s", "student", [0.0, 0.5, 1.0])])
    points = re.search(r'points="([^"]+)"', svg)[1].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    ends = [float(y) for y in re.findall(r'cy="([^"]+)"', svg)]
    assert any(end == pytest.approx(heights[-1], abs=0.06) for end in ends)


def test_nothing_to_draw_is_nothing():
    assert charts.line_chart("t", [charts.Series("s", "k", [None])]) == ""
    assert charts.dot_chart("t", []) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (words.size(999), "999 B"),
        (words.size(48_213), "48.2 kB"),
        (words.size(999_960), "1.0 MB"),
        (words.milliseconds(0.05213), "52.1 µs"),
        (words.milliseconds(0.4567), "0.46 ms"),
        (words.milliseconds(12.34), "12.3 ms"),
        (words.duration(9.94), "9.9 s"),
        (words.duration(59.7), "1 min 0 s"),
        (words.duration(7260), "2 h 1 min"),
        (words.points(-0.012), "−1.2"),
        (words.points(0.0001), "0.0"),
        (words.times(127.3), "127×"),
        (words.percent(None), "–"),
    ],
)
def test_words(text, expected):
    assert text == expected


def test_lede_does_not_boast():
    fields = report()
    fields["baseline"]["accuracy_by_seed"] = [0.97, 0.98]
    assert "1.5 points below the same student" in render(files.as_data(fields))
    fields["baseline"]["accuracy_by_seed"] = [0.96]
    assert "no better than the same student" in render(files.as_data(fields))
