"""What maps are reduced to before they meet: attention, factors, kernels, flows."""

from __future__ import annotations

import itertools
import math

import numpy as np
from cases import Cases


def pooled(x, height, width):
    """Adaptive average pooling of one map, window by window."""

    def window(i, new, old):
        return range(math.floor(i * old / new), math.ceil((i + 1) * old / new))

    result = np.zeros((height, width, x.shape[-1]))
    for row, column, channel in np.ndindex(result.shape):
        cells = [
            x[h, w, channel]
            for h in window(row, height, x.shape[0])
            for w in window(column, width, x.shape[1])
        ]
        result[row, column, channel] = math.fsum(cells) / len(cells)
    return result


def at_one_size(first, second):
    """Two maps of one example, each axis as long as the shorter."""
    size = np.minimum(first.shape[:2], second.shape[:2])
    return pooled(first, *size), pooled(second, *size)


def unit(values):
    """A vector of length 1; as it is, where it has none."""
    length = math.hypot(*values)
    return [value / length for value in values] if length else list(values)


def attention(x, power):
    """Where one map is strong, as one vector of length 1."""
    positions = x.reshape(-1, x.shape[-1])
    return unit(
        [math.fsum(abs(c) ** power for c in at) / len(at) for at in positions.tolist()]
    )


def attention_transfer(teacher, student, power=2.0, mode="code"):
    values = []
    for t, s in map(at_one_size, teacher, student):
        a, b = attention(t, power), attention(s, power)
        length = math.dist(a, b)
        values.append(length if mode == "paper" else length**2 / len(a))
    return np.array(values)


def factor_transfer(teacher, student, mode="spatial"):
    values = []
    for t, s in map(at_one_size, teacher, student):
        if mode == "paper":
            a, b = unit(t.ravel().tolist()), unit(s.ravel().tolist())
        else:
            a, b = attention(t, 2), attention(s, 2)
        values.append(sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a))
    return np.array(values)


def channels_of(x):
    """The channels of one map, each a list over its positions."""
    return x.reshape(-1, x.shape[-1]).T.tolist()


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def neuron_selectivity(teacher, student):
    def mean_kernel(one, other):
        kernels = [dot(a, b) ** 2 for a, b in itertools.product(one, other)]
        return math.fsum(kernels) / len(kernels)

    values = []
    for t, s in map(at_one_size, teacher, student):
        t, s = ([unit(channel) for channel in channels_of(x)] for x in (t, s))
        values.append(mean_kernel(t, t) + mean_kernel(s, s) - 2 * mean_kernel(t, s))
    return np.array(values)


def flow(bottom, top):
    """The flow matrix of one example, as one list."""
    bottom, top = (channels_of(x) for x in at_one_size(bottom, top))
    return [dot(b, t) / len(b) for b in bottom for t in top]


def flow_of_solution(teacher, student):
    values = []
    for example in range(len(teacher[0])):
        t = flow(*(x[example] for x in teacher))
        s = flow(*(x[example] for x in student))
        values.append(math.dist(t, s) ** 2 / len(t))
    return np.array(values)


def inter_channel(teacher, student):
    def rows(x):
        channels = channels_of(x)
        return [unit([dot(a, b) for b in channels]) for a in channels]

    values = []
    for t, s in zip(teacher, student, strict=True):
        gaps = [math.dist(a, b) ** 2 for a, b in zip(rows(t), rows(s), strict=True)]
        values.append(math.fsum(gaps) / len(gaps))
    return np.array(values)


def flow_case(cases, bottom, top, student_bottom=None, student_top=None):
    """Pairs of maps; the student's of another size where one is given."""
    sides = (bottom, top), (student_bottom or bottom, student_top or top)
    teacher, student = (
        [cases.pair(*shape)["teacher"] for shape in side] for side in sides
    )
    return {"teacher": teacher, "student": student}


def family():
    cases = Cases(seed=20)

    def other(teacher, student):
        """Maps of two shapes."""
        sides = {"teacher": teacher, "student": student}
        return {side: cases.pair(*shape)[side] for side, shape in sides.items()}

    equal = {
        "square maps": cases.pair(3, 4, 4, 3),
        "rectangular maps, batch of 2": cases.pair(2, 3, 2, 4),
        "one channel": cases.pair(2, 3, 4, 1),
        "many channels": cases.pair(2, 2, 2, 6),
    }
    overlap = "a larger teacher, windows that overlap"
    foreign = {
        "a larger student": other((2, 2, 3, 4), (2, 4, 6, 2)),
        overlap: other((2, 7, 5, 2), (2, 3, 2, 3)),
        "one larger, one wider": other((2, 5, 2, 3), (2, 3, 4, 3)),
    }
    rectangular = equal["rectangular maps, batch of 2"]
    for name, compute in {
        "attention_transfer": attention_transfer,
        "factor_transfer": factor_transfer,
        "neuron_selectivity": neuron_selectivity,
    }.items():
        for case, inputs in (equal | foreign).items():
            cases.add(name, case, compute, inputs)
        for case in ("rectangular maps, batch of 2", "one channel", overlap):
            inputs = (equal | foreign)[case]
            cases.add(name.title().replace("_", ""), case, compute, inputs)
    for public in ("attention_transfer", "AttentionTransfer"):
        for arguments in ({"power": 1.0}, {"power": 3.5}, {"mode": "paper"}):
            case = f"rectangular maps, {arguments}"
            cases.add(public, case, attention_transfer, rectangular, **arguments)
    for public in ("factor_transfer", "FactorTransfer"):
        for case in ("square maps", "rectangular maps, batch of 2", "one channel"):
            inputs = equal[case]
            cases.add(public, f"{case}, paper", factor_transfer, inputs, mode="paper")
    of_sizes = {
        "a larger student": other((2, 2, 3, 3), (2, 4, 2, 3)),
        "one position": cases.pair(2, 1, 1, 3),
    }
    for public in ("inter_channel", "InterChannel"):
        for case, inputs in (equal | of_sizes).items():
            cases.add(public, case, inter_channel, inputs)
    flows = {
        "maps of one size": flow_case(cases, (2, 2, 3, 2), (2, 2, 3, 3)),
        "a smaller top": flow_case(cases, (2, 5, 4, 2), (2, 3, 2, 3)),
        "one channel": flow_case(cases, (3, 2, 2, 1), (3, 2, 2, 1)),
        "a student of another size": flow_case(
            cases, (2, 4, 4, 2), (2, 2, 2, 3), (2, 3, 5, 2), (2, 3, 2, 3)
        ),
    }
    for public in ("flow_of_solution", "FlowOfSolution"):
        for case, inputs in flows.items():
            cases.add(public, case, flow_of_solution, inputs)
    return cases.entries
