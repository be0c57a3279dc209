"""Every function of `keras_kd.methods`, as its paper calls it, for any of the pairs.

A method stands here once, with the taps and numbers that its function does not know
by itself, or in `LEFT_OUT` with the reason. Published weights stand; a published
warm-up of 20 epochs out of 240 is shortened as the training is.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_kd import DistillationTerm, methods
from keras_kd.schedules import Ramp
from keras_kd.terms import LAYERS

NO_TEACHER = "no_teacher"
WITH_KD, BALANCED = "+kd", "+balanced"


def _same(*taps: Any) -> dict[Any, Any]:
    """Pairs of taps that have one name in both networks."""
    return {tap: tap for tap in taps}


FAMILIES = {
    "logit": "logits",
    "divergences": "logits",
    "feature": "features",
    "boundaries": "features",
    "channels": "features",
    "fusion": "features",
    "distance": "features",
    "relation": "relations",
    "contrastive": "contrast",
    "simkd": "classifier",
    "sequence": "tokens",
}
STAGES = _same("stage_1", "stage_2", "stage_3")
BEFORE_ACTIVATION = _same("stage_1_pre", "stage_2_pre", "stage_3_pre")
LAST = _same("stage_3")
VECTOR = _same("embedding")
TOKENS = _same("tokens_1", "tokens_2", "tokens_3")
ATTENTION = _same("attention_1", "attention_2", "attention_3")
CLASSIFIED = "stage_3", "stage_3"
"""Where SimKD cuts teacher and student."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a method may need to know of the training it is called for."""

    teacher: keras.Model
    student: keras.Model
    labels: np.ndarray
    classes: int
    epochs: int

    def warmup(self, epochs: int, of: int = 240) -> int:
        """A published number of epochs, shortened as the training is."""
        return max(1, round(epochs * self.epochs / of))


@dataclasses.dataclass(frozen=True)
class Entry:
    """A candidate.

    Args:
        name: str, the method's. With `"+kd"` at its end, `hinton()` teaches as well;
            with `"+balanced"`, its terms weigh as much as the hard loss, together.
        arguments: what the function is called with; a function of the `Setting`
            stands for what depends on it.
        hard_loss_weight: float, as published. Defaults to 1.
        needs_index: bool, whether a term remembers examples. Defaults to False.
        needs: `"transformers"` for both sides, `"norms"` in the teacher, or `""`.
        reuses_classifier: bool, whether the student ends in the teacher's classifier.
            Defaults to False.
    """

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    hard_loss_weight: float = 1.0
    needs_index: bool = False
    needs: str = ""
    reuses_classifier: bool = False

    @property
    def method(self) -> str:
        return self.name.partition("+")[0]

    @property
    def family(self) -> str:
        """What it transfers, by its function's module: a value of `FAMILIES`."""
        if self.name == NO_TEACHER:
            return NO_TEACHER
        module = getattr(methods, self.method).__module__
        return FAMILIES[module.rpartition(".")[-1]]

    @property
    def balanced(self) -> bool:
        return self.name.endswith(BALANCED)

    def suits(self, teacher_kind: str, student_kind: str) -> bool:
        """Whether it can be called for networks of these kinds."""
        if self.needs == "transformers":
            return teacher_kind == student_kind == "vit"
        return self.needs != "norms" or teacher_kind != "vit"

    def student(self, setting: Setting) -> keras.Model:
        """What is trained and deployed: the setting's student, changed if need be."""
        if not self.reuses_classifier:
            return setting.student
        student, _ = methods.reuse_classifier(
            setting.teacher, setting.student, *CLASSIFIED
        )
        return student

    def terms(self, setting: Setting) -> list[DistillationTerm]:
        """New terms; none for the student without a teacher."""
        if self.name == NO_TEACHER:
            return []
        make, given = getattr(methods, self.method), self._resolved(setting)
        terms = make(**given)
        if self.balanced:
            terms = make(**given | {"weight": 1 / len(terms)})
        if self.name.endswith(WITH_KD):
            terms = terms + methods.hinton(weight=1.0)
        return terms

    def settings(self, setting: Setting) -> dict[str, Any]:
        """All that the runs of this candidate depend on, defaults included."""
        terms = self.terms(setting)
        return {
            "call": self.call(setting),
            "hard_loss_weight": self.hard_loss_weight,
            "terms": [
                {
                    "loss": type(term.loss).__name__,
                    "config": term.loss.get_config(),
                    "weight": term.weight.get_config(),
                    "taps": [term.student, term.teacher],
                    "layers": {key: _layer(getattr(term, key)) for key in LAYERS},
                }
                for term in terms
            ],
        }

    def call(self, setting: Setting) -> str:
        """As a user would write it."""
        if self.name == NO_TEACHER:
            return "–"
        given = self._resolved(setting)
        if self.balanced:
            given["weight"] = round(1 / len(self.terms(setting)), 3)
        words = [f"{k}={_words(v)}" for k, v in given.items()]
        more = " + methods.hinton(weight=1.0)" * self.name.endswith(WITH_KD)
        more += ", balance=MagnitudeBalance()" * self.balanced
        more += " of methods.reuse_classifier(…)" * self.reuses_classifier
        return f"methods.{self.method}({', '.join(words)}){more}"

    def _resolved(self, setting: Setting) -> dict[str, Any]:
        return {
            key: value(setting) if inspect.isfunction(value) else value
            for key, value in self.arguments.items()
        }


def _layer(value: Any) -> Any:
    """What a term's layer, or the function that makes it, was given."""
    if not isinstance(value, keras.layers.Layer):
        return getattr(value, "__qualname__", value)
    config = value.get_config()
    given = {k: v for k, v in config.items() if k not in ("name", "dtype")}
    return [type(value).__name__, given]


def _words(value: Any) -> str:
    if isinstance(value, dict) and all(k == v for k, v in value.items()):
        return f"{{{', '.join(map(repr, value))}}}"
    if isinstance(value, keras.Model):
        return value.name
    if hasattr(value, "get_config") and not isinstance(value, keras.layers.Layer):
        given = ", ".join(f"{k}={v!r}" for k, v in value.get_config().items())
        return f"{type(value).__name__}({given})"
    return repr(value)


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(NO_TEACHER),
        # What the teacher says about the classes.
        Entry("hinton", hard_loss_weight=0.1),
        Entry("standardized_kd", hard_loss_weight=0.1),
        Entry("decoupled_kd", {"warmup_epochs": lambda it: it.warmup(20)}),
        Entry("dist", {"temperature": 4.0}),
        Entry("multi_level", hard_loss_weight=0.1),
        Entry("weighted_soft_label"),
        Entry(
            "curriculum_temperature",
            {"strength": lambda it: Ramp(0.0, 1.0, it.warmup(10), "cosine")},
            hard_loss_weight=0.1,
        ),
        Entry("generalized_jsd", hard_loss_weight=0.0),
        Entry("logit_regression", hard_loss_weight=0.0),
        Entry("reverse_kl"),
        Entry("top_k", {"k": 3}, hard_loss_weight=0.0),
        # What it sees on the way.
        Entry("fitnets", {"taps": _same("stage_2")}),
        Entry("attention_transfer", {"taps": STAGES}),
        Entry("nst", {"taps": STAGES}),
        Entry("fsp", {"taps": _same(("stage_1", "stage_2"), ("stage_2", "stage_3"))}),
        Entry("factor_transfer", {"taps": LAST}),
        Entry("ab", {"taps": BEFORE_ACTIVATION}),
        Entry(
            "overhaul",
            {
                "taps": BEFORE_ACTIVATION,
                "teacher": lambda it: it.teacher,
                "batch_norms": {f"stage_{n}_pre": f"stage_{n}_bn" for n in (1, 2, 3)},
            },
            needs="norms",
        ),
        Entry("cwd", {"taps": LAST}),
        Entry("pkd", {"taps": LAST}),
        Entry("inter_channel", {"taps": LAST}),
        Entry("vid", {"taps": STAGES}),
        Entry("mgd", {"taps": LAST, "alpha": 7e-5}),
        Entry(
            "review",
            {
                "taps": STAGES | _same("pooled"),
                "weight": 5.0,
                "warmup_epochs": lambda it: it.warmup(20),
            },
        ),
        Entry(
            "semckd",
            {"student": list(STAGES), "teacher": list(STAGES)},
        ),
        Entry("attention_fusion", {"taps": {("stage_1", "stage_2"): "stage_3"}}),
        # How it tells images apart.
        Entry(
            "crd",
            {"taps": VECTOR, "samples": lambda it: len(it.labels)},
            needs_index=True,
        ),
        Entry("info_nce", {"taps": VECTOR}),
        Entry("rkd", {"taps": VECTOR}),
        Entry("similarity_preserving", {"taps": LAST}),
        Entry("correlation_congruence", {"taps": VECTOR}),
        Entry("pkt", {"taps": VECTOR}),
        # Its classifier.
        Entry(
            "simkd",
            {"teacher_tap": "stage_3"},
            hard_loss_weight=0.0,
            reuses_classifier=True,
        ),
        # What its tokens say to each other.
        Entry(
            "tinybert",
            {"layers": TOKENS, "attention": ATTENTION},
            needs="transformers",
        ),
        Entry(
            "minilm",
            {"student_attention": "attention_3", "teacher_attention": "attention_3"},
            needs="transformers",
        ),
    )
}
"""All candidates, by name."""

LEFT_OUT = {
    "ard": "wants a robust teacher and attacked views: a regime of its own",
    "rslad": "wants a robust teacher and attacked views: a regime of its own",
    "agreement": "has no teacher, and wants views: a regime of its own",
    "be_your_own_teacher": "has no teacher but its own end: a regime of its own",
    "mean_teacher": "has no teacher but its own past: a regime of its own",
    "mutual": "has no teacher, but peers: a regime of its own",
    "one": "has no teacher, but branches: a regime of its own",
    "teacher_free": "has no teacher but the labels: a regime of its own",
    "without_forgetting": "is for classes that come later: a regime of its own",
    "bert_pkd": "compares the states of a [CLS] token, which no network here has",
    "reuse_classifier": "no method by itself: it builds the student of `simkd`",
}
"""Methods that no pair here can show, and why."""


def candidates(
    names: list[str] | None = None, with_kd: bool = False, balanced: bool = False
) -> list[Entry]:
    """The candidates of those names (all by default), the one without a teacher first.

    Args:
        names: of methods.
        with_kd: bool. Add each once more together with `hinton()`, except those that
            compare logits and those without a hard loss. Defaults to False.
        balanced: bool. Add each of these once more with a weight that means a share
            of the hard loss in place of the published one. Defaults to False.

    Raises:
        ValueError: for a name that is not a candidate.
    """
    names = list(ENTRIES) if names is None else [NO_TEACHER, *names]
    for name in names:
        if name not in ENTRIES:
            reason = LEFT_OUT.get(name, "no method of that name")
            raise ValueError(f"{name!r} is not in the leaderboard: {reason}.")
    found = [ENTRIES[name] for name in dict.fromkeys(names)]
    inner = [
        entry
        for entry in found
        if entry.family not in (NO_TEACHER, "logits") and entry.hard_loss_weight
    ]
    for wanted, variant in ((with_kd, WITH_KD), (balanced, BALANCED)):
        if wanted:
            found += [dataclasses.replace(e, name=e.name + variant) for e in inner]
    return found
