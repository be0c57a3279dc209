"""What a transformer holds at each token.

hidden_state   Σ_i m_i ‖t_i − s_i‖² / (D · Σ_i m_i)   over the tokens i of an example

m_i = 1 at tokens and 0 at padding, D the width.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.loss import DistillationLoss
from keras_kd.losses.numerics import comparable, mean_over_positions
from keras_kd.losses.sequence.masks import position_mask, without_padding
from keras_kd.registration import register


def hidden_state(teacher: Any, student: Any, mask: Any = None) -> Any:
    """The mean squared difference of hidden states, over what is no padding.

    Args:
        teacher: tensor `(batch, ..., width)`: hidden states or embeddings.
        student: tensor of the same shape.
        mask: bool tensor of the shape without the width, True where a position
            counts. Defaults to None: all of them.

    Returns:
        Tensor `(batch,)`: the mean over the positions and features of each example.

    Raises:
        ValueError: where the shapes differ.

    Example:

    ```python
    states = keras.random.normal((2, 3, 8))
    hidden_state(states, states + 2.0, mask=[[1, 1, 0], [1, 0, 0]])  # [4., 4.]
    ```

    Reference:
        Jiao, Yin, Shang, Jiang, Chen, Li, Wang, Liu. TinyBERT: Distilling BERT for
        Natural Language Understanding. Findings of EMNLP 2020.
        https://arxiv.org/abs/1909.10351
    """
    teacher, student = comparable("hidden_state", teacher, student)
    mask = position_mask(mask, student.shape[:-1])
    gaps = without_padding(teacher, mask) - without_padding(student, mask)
    return mean_over_positions(ops.mean(ops.square(gaps), axis=-1), mask)


@register
class HiddenState(DistillationLoss):
    """The student's hidden states are the teacher's, token by token.

    Formula:
        Σ_i m_i ‖t_i − s_i‖² / (D · Σ_i m_i),  m_i = 0 at padding, D the width

    When to use:
        Transfers what a transformer's layer (or embedding) holds at each token, where
        both have the same tokens. Student states of another width pass through a
        learned `DenseAdapter` first. Usual weight 1, beside `AttentionMatrix`; where
        networks are of different kinds relations are safer. Keras loses the padding
        mask at the first attention layer: `methods.tinybert` brings it along.

    Args:
        name, reduction, dtype: as in `DistillationLoss`.

    Example:

    ```python
    loss = keras_kd.losses.HiddenState()
    states = keras.random.normal((2, 3, 8))
    loss(states, 0.5 * states, mask=[[1, 1, 1], [1, 0, 0]])  # a scalar
    ```

    Reference:
        Jiao, Yin, Shang, Jiang, Chen, Li, Wang, Liu. TinyBERT: Distilling BERT for
        Natural Language Understanding. Findings of EMNLP 2020.
        https://arxiv.org/abs/1909.10351
    """

    compares = "features"
    takes_mask = True

    def call(self, teacher, student, mask=None):
        return hidden_state(teacher, student, mask)
