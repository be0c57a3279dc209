"""Students whose outputs all answer one question: peers, and exits along one network.

Such a student has `shares_labels = True` and a dict of outputs. It is compiled, trained
and evaluated with the labels, the loss and the metrics of a single output.
"""

from __future__ import annotations

from typing import Any

import keras


def shared_labels(student: keras.Model, labels: Any) -> Any:
    """The labels once for each output, if the student's outputs share them."""
    if labels is None or not getattr(student, "shares_labels", False):
        return labels
    names = student.output_names
    if isinstance(labels, dict) and set(labels) == set(names):
        return labels
    return dict.fromkeys(names, labels)


def shared_loss(student: keras.Model, loss: Any, loss_weights: Any) -> Any:
    """The loss once for each output, where weights name the outputs."""
    shares = getattr(student, "shares_labels", False)
    if not shares or not isinstance(loss_weights, dict) or keras.tree.is_nested(loss):
        return loss
    return dict.fromkeys(student.output_names, loss)


def shared_metrics(student: keras.Model, metrics: Any) -> Any:
    """Metrics once for each output: those of one output must not count another's."""
    shares = getattr(student, "shares_labels", False)
    if not shares or not metrics or isinstance(metrics, dict):
        return metrics
    given = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return {name: [_anew(metric) for metric in given] for name in student.output_names}


def _anew(metric):
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())
