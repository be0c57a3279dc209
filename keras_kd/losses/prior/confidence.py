"""What a teacher should say of generated images: sure of each, of all kinds together.

class_confidence   −log p_c of the likeliest class c
class_balance      Σ_c p̄_c log p̄_c,  p̄ = mean of p over the batch

p = softmax(logits). An example's part of the second is Σ_c p_c log p̄_c.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import at_least_float32, mean_over_positions
from keras_kd.registration import register
from keras_kd.validation import several_classes


def class_confidence(logits: Any) -> Any:
    """The cross-entropy to the class that the logits themselves rank first.

    Args:
        logits: tensor `(batch, ..., classes)`: the teacher's, of generated images.

    Returns:
        Tensor `(batch,)`: the mean over the positions of each example.

    Example:

    ```python
    class_confidence(keras.ops.array([[9.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))  # 0.0002, 1.1
    ```

    Reference:
        Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian. DAFL: Data-Free Learning of
        Student Networks. ICCV 2019. https://arxiv.org/abs/1904.01186
    """
    logits = _logits("class_confidence", logits)
    likeliest = ops.expand_dims(ops.argmax(logits, axis=-1), -1)
    log_p = ops.take_along_axis(ops.log_softmax(logits, axis=-1), likeliest, axis=-1)
    return mean_over_positions(-log_p[..., 0])


def class_balance(logits: Any) -> Any:
    """The negative entropy of the classes that a batch is given on the whole.

    With the natural logarithm; the authors' code has the decimal one.

    Args:
        logits: tensor `(batch, classes)`: the teacher's, of generated images.

    Returns:
        Tensor `(batch,)`: each example's part; their mean is the batch's value, from
        −log(classes), all classes alike, to 0, a single one.

    Example:

    ```python
    class_balance(50.0 * keras.ops.eye(4))  # mean −log 4
    ```

    Reference:
        Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian. DAFL: Data-Free Learning of
        Student Networks. ICCV 2019. https://arxiv.org/abs/1904.01186
    """
    logits = _logits("class_balance", logits)
    if len(logits.shape) != 2:
        raise ValueError(
            "class_balance takes logits (batch, classes). Received the shape "
            f"{tuple(logits.shape)}."
        )
    log_p = ops.log_softmax(logits, axis=-1)
    count = ops.sum(ops.ones_like(logits[:, 0]))
    log_mean = ops.logsumexp(log_p, axis=0, keepdims=True) - ops.log(count)
    return ops.sum(ops.exp(log_p) * log_mean, axis=-1)


def _logits(what, logits):
    (logits,) = at_least_float32(logits)
    several_classes(what, logits.shape)
    return logits


@register
class ClassConfidence(DistillationLoss):
    """Generated images are clear cases of some class.

    Formula:
        −log p_c,  p = softmax(logits), c the likeliest class

    When to use:
        A data-free prior on the teacher's logits of generated images. It looks at its
        second argument alone, through which the gradient flows; the first is ignored.
        Alone it makes all images one class: add `ClassBalance`. DAFL weighs it 1.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.ClassConfidence()
    loss(teacher_logits, teacher_logits)  # a scalar
    ```

    Reference:
        Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian. DAFL: Data-Free Learning of
        Student Networks. ICCV 2019. https://arxiv.org/abs/1904.01186
    """

    compares = "relations"
    across_examples = False
    trains_teacher_side = True

    def call(self, teacher, student):
        return class_confidence(student)


@register
class ClassBalance(DistillationLoss):
    """Generated images are of all classes alike.

    Formula:
        Σ_c p̄_c log p̄_c,  p̄ = mean over the batch of softmax(logits)

    When to use:
        A data-free prior on the teacher's logits of a batch of generated images, which
        should be larger than the number of classes. It looks at its second argument
        alone, through which the gradient flows; the first is ignored. DAFL weighs it
        5 (by the decimal logarithm: 2.2 here).

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.ClassBalance()
    loss(teacher_logits, teacher_logits)  # a scalar
    ```

    Reference:
        Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian. DAFL: Data-Free Learning of
        Student Networks. ICCV 2019. https://arxiv.org/abs/1904.01186
    """

    compares = "relations"
    trains_teacher_side = True

    def call(self, teacher, student):
        return class_balance(student)
