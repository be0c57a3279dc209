"""Methods for a teacher and a student that are built unlike each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_kd.layers import AttentionFusion, SemanticCalibration
from keras_kd.losses import CrossLayer, Hint
from keras_kd.methods.pairs import each_pair
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number, Tap, Taps


def semckd(
    student: Sequence[Tap],
    teacher: Sequence[Tap],
    weight: Number = 400.0,
    units: int = 16,
    batch_size: int | None = None,
    scale: float = 1.0,
) -> list[DistillationTerm]:
    """Semantic calibration: which teacher layer teaches which student layer is learned.

    No pairs are named. An attention gives, for each example, every student layer a
    share of every teacher layer, and a projection for each pair brings the two
    together: `layers.SemanticCalibration`. `regimes.layer_matching` shows what was
    learned. Maps, tokens on a square grid and vectors may stand in one list.

    The paper taps the ends of the stages and adds `hinton(weight=1.0)`. It makes the
    attention from inner products within batches of one size; that is
    `batch_size=64`. Without it the attention looks at each example alone.

    Args:
        student: list of the student's taps, from low to high.
        teacher: list of the teacher's, two or more.
        weight: non-negative float or schedule. Defaults to 400, the paper's on
            CIFAR-100.
        units: int, the width of queries and keys. Defaults to 16.
        batch_size: int, or None. Defaults to None.
        scale: positive float, the temperature of the attention. Defaults to 1.

    Returns:
        One term, `"semckd"`.

    Raises:
        TypeError: where `student` or `teacher` is no list of taps.

    Example:

    ```python
    stages = ["conv2_block3_out", "conv3_block4_out", "conv4_block6_out"]
    terms = methods.semckd(["block_1", "block_2"], stages) + methods.hinton(weight=1.0)
    ```

    Reference:
        Chen, Mei, Zhang, Wang, Wang, Feng, Chen. Cross-Layer Distillation with
        Semantic Calibration. AAAI 2021. https://arxiv.org/abs/2012.03236
    """
    for name, taps in (("student", student), ("teacher", teacher)):
        if isinstance(taps, str) or not isinstance(taps, Sequence):
            raise TypeError(
                f"`{name}` must be a list of taps. Received: {name}={taps!r}."
            )
    return [
        DistillationTerm(
            CrossLayer(),
            list(student),
            list(teacher),
            adapter=None,
            memory=SemanticCalibration(units, batch_size, scale, dtype="float32"),
            weight=weight,
            name="semckd",
        )
    ]


def attention_fusion(
    taps: Mapping[Taps, Tap],
    weight: Number = 1.0,
    metric: str = "cosine",
    hidden: int = 64,
    heads: int = 4,
) -> list[DistillationTerm]:
    """Hints through attention: any of the student's features into any of the teacher's.

    Each position of a teacher's feature gathers what it needs from all positions of
    one or several of the student's (`layers.AttentionFusion`), so a transformer's
    tokens, class token included, meet a convolutional network's maps, and the other
    way round, without a grid in common. `fitnets` over `layers.TokenAdapter` keeps
    each position in its place instead: try it first where both sides have a grid.

    This is no paper's recipe: it joins the hints of FitNets with attention between
    architectures.

    Args:
        taps: `{student tap: teacher tap}`; a tuple of taps of the student is fused.
        weight: non-negative float or schedule, for each. Defaults to 1.
        metric: of `Hint`. Defaults to `"cosine"`: between unlike networks the scale of
            a feature means nothing.
        hidden: int, of `AttentionFusion`. Defaults to 64.
        heads: int, of `AttentionFusion`. Defaults to 4.

    Returns:
        One term per entry, named `"hint_<student taps>"`.

    Example:

    ```python
    fused = methods.attention_fusion({("block_1", "block_2"): "tokens_3"})
    terms = fused + methods.hinton()
    ```

    Reference:
        Liu et al. Cross-Architecture Knowledge Distillation. ACCV 2022.
        https://arxiv.org/abs/2207.05273
    """

    def fusion(student_shape: Any, teacher_shape: Any) -> AttentionFusion:
        levels = len(student_shape) if isinstance(student_shape, list) else 1
        return AttentionFusion(
            teacher_shape[-1],
            teacher_shape[1:-1],
            levels,
            hidden,
            heads,
            dtype="float32",
        )

    return each_pair(lambda: Hint(metric), taps, weight, fusion)
