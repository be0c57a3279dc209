"""Structured pruning: whole channels go, and the model computes less."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from keras_kd.compress.pruning.channels.narrow import (
    channel_norms,
    narrow_config,
    narrow_weights,
)
from keras_kd.compress.pruning.channels.rules import MAKERS
from keras_kd.compress.pruning.channels.trace import Trace, Use
from keras_kd.compress.pruning.schedules import share
from keras_kd.compress.rewrite import is_model, rewrite
from keras_kd.compress.strip import refuse_compressed
from keras_kd.compress.weights import copy_of
from keras_kd.validation import did_you_mean, listing, one_of, positive_int


@dataclasses.dataclass(frozen=True)
class ChannelGroup:
    """Channels that the same layers make, and that are pruned together.

    Args:
        layers: Tuple of the paths of the layers that make them.
        channels: Integer. How many there are.
        prunable: Integer. How many of them may go.
        reason: String, why the others stay, or None.
    """

    layers: tuple[str, ...]
    channels: int
    prunable: int
    reason: str | None
    roots: tuple[int, ...] = dataclasses.field(repr=False, default=())

    def __str__(self) -> str:
        kept = f"; kept, since {self.reason}" if self.reason else ""
        return f"{', '.join(self.layers)}: {self.prunable} of {self.channels}{kept}"


def channel_groups(model: keras.Model) -> list[ChannelGroup]:
    """Which channels of a model hang together, and which cannot be pruned, and why.

    Args:
        model: A built functional or Sequential model.

    Returns:
        A list of groups with `layers`, `channels`, `prunable` and `reason`.

    Example:

    ```python
    for group in channel_groups(model):
        print(group)  # backbone/block_1: 4 of 4
    ```
    """
    return _groups(Trace(model))


def prune_channels(
    model: keras.Model,
    shares: float | Mapping[str, float],
    *,
    skip: Iterable[str] | None = None,
    divisible_by: int = 1,
    score: str = "l2",
) -> keras.Model:
    """A plain model with fewer channels; the arguments are those of `prune`.

    Args:
        model: A built functional or Sequential model without masks or other
            transforms on its kernels. It is not changed.
        shares: Float, or a dict `{layer name: share of its channels}`.
        skip: List of names of layers that keep all their channels.
        divisible_by: Integer. The channels left are a multiple of it.
        score: `"l2"` or `"gamma"`.

    Returns:
        A functional `keras.Model` with the same inputs and outputs.
    """
    one_of("score", score, ("l2", "gamma"))
    positive_int("divisible_by", divisible_by)
    trace = Trace(model)
    refuse_compressed(model, "Prune its channels first, or hand in strip(model).")
    gone = Ranking(trace, score).least(shares, skip, divisible_by)
    if not gone:
        raise ValueError(
            f"No channel of {model.name!r} can go at `schedule`={shares!r} and "
            f"`divisible_by`={divisible_by}. For instance {why_not(trace)}."
        )
    return without_channels(model, trace, gone)


class Ranking:
    """The groups of channels of a model, and how much each channel matters.

    Args:
        trace: The channels of the model.
        score: `"l2"` or `"gamma"`. Defaults to `"l2"`.
    """

    def __init__(self, trace: Trace, score: str = "l2") -> None:
        self.trace = trace
        self.groups = _groups(trace)
        self.scores = _scores(trace, score)

    def least(
        self,
        shares: float | Mapping[str, float],
        skip: Iterable[str] | None = None,
        divisible_by: int = 1,
    ) -> set[int]:
        """The roots of the channels that go; the arguments are those of `prune`."""
        wanted = _wanted(self.groups, shares, list(skip or ()))
        gone: set[int] = set()
        for group, part in zip(self.groups, wanted, strict=True):
            gone |= _least(group, part, self.scores, self.trace, divisible_by)
        return gone


def why_not(trace: Trace) -> str:
    """A group of channels that stays, and why."""
    return next((str(group) for group in _groups(trace) if group.reason), "too few")


def _groups(trace: Trace) -> list[ChannelGroup]:
    makers: dict[int, list[str]] = collections.defaultdict(list)
    for use in trace.uses.values():
        if type(use.layer) in MAKERS:
            for root in dict.fromkeys(trace.slots.roots(use.makes)):
                makers[root].append(use.path)
    together: dict[tuple[str, ...], list[int]] = collections.defaultdict(list)
    for root, paths in makers.items():
        together[tuple(paths)].append(root)
    groups = []
    for layers, roots in together.items():
        reasons = [trace.slots.reason(root) for root in roots]
        free, kept = reasons.count(None), next(filter(None, reasons), None)
        groups.append(ChannelGroup(layers, len(roots), free, kept, tuple(roots)))
    return groups


def _wanted(groups: list[ChannelGroup], shares: Any, skip: list[str]) -> list[float]:
    """For each group the share of its channels that is to go."""
    asked = shares if isinstance(shares, Mapping) else {}
    everywhere = 0.0 if isinstance(shares, Mapping) else share("schedule", shares)
    paths = [path for group in groups for path in group.layers]
    for name in (*asked, *skip):
        if not any(_is(path, name) for path in paths):
            raise ValueError(
                f"No layer {name!r} that makes channels. Available: "
                f"{listing(paths)}.{did_you_mean(name, paths)}"
            )
    wanted = []
    for group in groups:
        found = {
            name: share("schedule", part)
            for name, part in asked.items()
            if any(_is(path, name) for path in group.layers)
        }
        if len(set(found.values())) > 1:
            raise ValueError(
                f"The layers {list(found)} lose the same channels, so one share "
                f"fits them. Received: {found}."
            )
        if found and not group.prunable:
            raise ValueError(
                f"The channels of {next(iter(found))!r} cannot be pruned: "
                f"{group.reason}."
            )
        whole = any(_is(path, name) for path in group.layers for name in skip)
        wanted.append(0.0 if whole else next(iter(found.values()), everywhere))
    return wanted


def _is(path: str, name: str) -> bool:
    return path == name or path.rpartition("/")[2] == name


def _scores(trace: Trace, score: str) -> dict[int, float]:
    """How much each united channel matters."""
    scores: dict[int, float] = collections.defaultdict(float)
    scaled: dict[int, float] = collections.defaultdict(float)
    for use in trace.uses.values():
        norms = channel_norms(use.layer)
        if norms is not None:
            for root, norm in zip(trace.slots.roots(use.makes), norms, strict=True):
                scores[root] += norm
        normalization = isinstance(use.layer, keras.layers.BatchNormalization)
        if normalization and use.layer.scale:
            gamma = np.abs(keras.ops.convert_to_numpy(use.layer.gamma))
            for root, size in zip(trace.slots.roots(use.makes), gamma, strict=True):
                scaled[root] += float(size)
    return {**scores, **scaled} if score == "gamma" else scores


def _least(
    group: ChannelGroup,
    part: float,
    scores: dict[int, float],
    trace: Trace,
    divisible_by: int,
) -> set[int]:
    """The channels of a group that go, the least of those that may."""
    keep = math.ceil(round(group.channels * (1.0 - part), 6))
    keep = max(math.ceil(keep / divisible_by) * divisible_by, 1)
    count = min(group.channels - keep, group.prunable)
    # Where others stay for a reason, what is left is not a multiple any more.
    if count <= 0:
        return set()
    free = [root for root in group.roots if trace.slots.reason(root) is None]
    return set(sorted(free, key=lambda root: scores[root])[:count])


def staying(trace: Trace, gone: set[int]) -> Callable[[np.ndarray], np.ndarray]:
    """A function from slots to which of them are not gone, a boolean array."""
    here = np.ones(trace.slots.count, bool)
    here[list(gone)] = False
    return lambda slots: here[trace.slots.roots(slots)]


def without_channels(
    model: Any,
    trace: Trace,
    gone: set[int],
    inherit: bool = True,
    made: dict[int, Any] | None = None,
) -> keras.Model:
    """The model built anew without the channels that are gone.

    Args:
        model: A functional or Sequential model.
        trace: Its channels. Blocks that the trace leaves out are left out here.
        gone: Set of roots of slots.
        inherit: Boolean. Whether layers take over the weights that stay; otherwise
            layers with weights to train begin anew. Defaults to `True`.
        made: Dict from a layer's id to the new layer, for nested models.
    """
    made = {} if made is None else made
    stays = staying(trace, gone)

    def shape(tensor: Any) -> Any:
        slots = trace.made_in[id(tensor)]
        if not len(slots):
            return tensor.shape
        return (*tensor.shape[:-1], int(stays(slots).sum()))

    def visit(operation: Any, node: Any, args: Any, kwargs: Any) -> Any:
        if not isinstance(operation, keras.layers.Layer):
            return operation(*args, **kwargs)
        if id(operation) in made:
            return made[id(operation)](*args, **kwargs)
        use: Use | None = trace.uses.get(id(operation))
        nested = is_model(operation) and id(operation) not in trace.opaque
        keeps = not nested and (inherit or not _is_trained(operation))
        if nested:
            new = without_channels(operation, trace, gone, inherit, made)
        elif use is not None:
            config = narrow_config(operation, stays(use.makes))
            new = type(operation).from_config(config)
        else:
            new = copy_of(operation) if keeps else _fresh(operation)
        made[id(operation)] = new
        outputs = new(*args, **kwargs)
        if use is not None and keeps:
            narrow_weights(operation, new, stays(use.reads), stays(use.makes))
        return outputs

    return rewrite(model, visit, input_shape=shape, instead=trace.instead)


def _is_trained(layer: Any) -> bool:
    """Whether a layer has weights to train, frozen or not."""
    return any(part._trainable_variables for part in layer._flatten_layers())


def _fresh(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())
