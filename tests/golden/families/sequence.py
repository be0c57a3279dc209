"""Hidden states, attention scores, relations of tokens and [CLS] states."""

from __future__ import annotations

import itertools
import math

import numpy as np
from cases import Cases, padded, per_example


def hidden(teacher, student, mask=None):
    """The mean over features, then over what the mask keeps."""

    def of_token(t, s):
        return math.fsum((a - b) ** 2 for a, b in zip(t, s, strict=True)) / len(t)

    return per_example(of_token, teacher, student, mask)


def attention(teacher, student, mask=None):
    """Over heads and pairs of tokens; what both mask additively counts as equal."""
    values = []
    for t, s, kept in zip(
        teacher, student, [None] * len(teacher) if mask is None else mask, strict=True
    ):
        gaps = []
        for h, i, j in np.ndindex(*t.shape):
            if kept is not None:
                pair = kept[i] and kept[j] if kept.ndim == 1 else kept[i, j]
                if not pair:
                    continue
            both = [0.0 if x[h, i, j] <= -100.0 else x[h, i, j] for x in (t, s)]
            gaps.append((both[0] - both[1]) ** 2)
        values.append(math.fsum(gaps) / len(gaps) if gaps else 0.0)
    return np.array(values)


def relation_row(query, keys):
    """The probabilities of one token's relation to each of `keys`."""
    scores = [
        math.fsum(a * b for a, b in zip(query, key, strict=True))
        / math.sqrt(len(query))
        for key in keys
    ]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    return [power / math.fsum(powers) for power in powers]


def heads_of(x, heads):
    """One example's tokens, head by head: `heads` lists of as long vectors."""
    tokens = [token.ravel().tolist() for token in x]
    if heads is None:
        heads = x.shape[1] if x.ndim == 3 else 1
    width = len(tokens[0]) // heads
    return [[t[h * width : (h + 1) * width] for t in tokens] for h in range(heads)]


def divergence(teacher, student, heads, mask):
    """KL between the relations of (from, to) pairs, over heads and kept tokens."""
    values = []
    for at in range(len(student[0])):
        kept = [i for i in range(student[0].shape[1]) if mask is None or mask[at, i]]
        sides = [[heads_of(x[at], heads) for x in side] for side in (teacher, student)]
        gaps = []
        for h, i in itertools.product(range(len(sides[0][0])), kept):
            p, q = (
                relation_row(start[h][i], [end[h][j] for j in kept])
                for start, end in sides
            )
            gaps.append(
                math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
            )
        values.append(math.fsum(gaps) / len(gaps) if gaps else 0.0)
    return np.array(values)


def value_relation(teacher, student, heads=None, mask=None):
    return divergence((teacher, teacher), (student, student), heads, mask)


def query_key(teacher, student, relation="self", heads=None, mask=None):
    if relation == "attention":
        return divergence(teacher, student, heads, mask)
    if not isinstance(teacher, list):
        teacher, student = [teacher], [student]
    return sum(
        value_relation(t, s, heads, mask) for t, s in zip(teacher, student, strict=True)
    )


def patient(teacher, student):
    """Normalized first tokens, feature by feature and layer by layer."""
    if isinstance(student, list):
        layers = zip(teacher, student, strict=True)
        return sum(patient(t, s) for t, s in layers) / len(student)
    values = []
    for t, s in zip(teacher, student, strict=True):
        t, s = (x[0] if x.ndim == 2 else x for x in (t, s))
        gaps = [
            (a / math.hypot(*t) - b / math.hypot(*s)) ** 2
            for a, b in zip(t, s, strict=True)
        ]
        values.append(math.fsum(gaps) / len(gaps))
    return np.array(values)


def sides(cases, teacher, student, count=None):
    """A teacher's and a student's tensor of their own shapes, or lists of `count`."""

    def draw(shape):
        return cases.rng.normal(size=shape).round(3)

    shapes = {"teacher": teacher, "student": student}
    if count is None:
        return {side: draw(shape) for side, shape in shapes.items()}
    return {side: [draw(shape) for _ in range(count)] for side, shape in shapes.items()}


def family():
    cases = Cases(seed=32)
    mask = padded(4, 2, 0)
    tokens = cases.pair(3, 4, 2)
    for name in ("hidden_state", "HiddenState"):
        cases.add(name, "sequences", hidden, cases.pair(2, 3, 4))
        cases.add(name, "padded sequences", hidden, {**tokens, "mask": mask})
        cases.add(name, "vectors", hidden, cases.pair(2, 5))
        cases.add(name, "maps, one channel", hidden, cases.pair(2, 2, 3, 1))

    scores = cases.pair(3, 2, 4, 4)
    hidden_keys = cases.pair(2, 1, 3, 3)
    for x in hidden_keys.values():
        x[:, :, :, 2] -= 10000.0
    causal = np.tril(np.ones((4, 4), bool))[None].repeat(3, axis=0)
    for name in ("attention_matrix", "AttentionMatrix"):
        cases.add(name, "two heads", attention, scores)
        cases.add(name, "padded tokens", attention, {**scores, "mask": mask})
        cases.add(name, "causal", attention, {**scores, "mask": causal})
        cases.add(name, "more keys than queries", attention, cases.pair(2, 1, 2, 3))
        cases.add(name, "an additive mask", attention, hidden_keys)

    heads = sides(cases, (3, 4, 2, 3), (3, 4, 2, 2))
    wide = sides(cases, (2, 3, 3, 4), (2, 3, 8))
    for name in ("value_relation", "ValueRelation"):
        cases.add(name, "heads as they come", value_relation, heads)
        cases.add(name, "padded", value_relation, {**heads, "mask": mask})
        cases.add(name, "split anew", value_relation, wide, heads=4)
        cases.add(name, "no heads", value_relation, cases.pair(2, 3, 4))
    pairs = sides(cases, (3, 4, 2, 3), (3, 4, 2, 2), count=2)
    for name in ("query_key_relation", "QueryKeyRelation"):
        cases.add(name, "one tensor", query_key, heads)
        cases.add(name, "queries and keys", query_key, pairs)
        more = {**pairs, "mask": mask}
        cases.add(name, "padded", query_key, more)
        cases.add(name, "attention, padded", query_key, more, relation="attention")
        arguments = {"relation": "attention", "heads": 1}
        cases.add(name, "attention, one head", query_key, pairs, **arguments)

    for name in ("patient", "Patient"):
        cases.add(name, "vectors", patient, cases.pair(3, 5))
        cases.add(name, "sequences, batch of 2", patient, cases.pair(2, 3, 4))
        cases.add(name, "two layers", patient, sides(cases, (2, 3, 4), (2, 3, 4), 2))
    return cases.entries
