"""Peers that learn side by side: one model for the Distiller, several to take home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_kd.registration import register
from keras_kd.taps import input_spec, may_begin_taps, output_spec, require_built
from keras_kd.validation import listing, unique_names

ENSEMBLE = "ensemble"
"""The output that a head makes of the peers'."""


@register
class Cohort(keras.Model):
    """Several models in one, which answer the same question and teach each other.

    Its output is a dict, an entry for each peer. A Distiller trains and evaluates it
    with the labels, the loss and the metrics of a single model, and reports each
    peer on its own: `a_loss`, `a_accuracy`, `b_loss`, … What stands inside a peer is
    found at `"a/block_2"`, its output at `"output/a"`.

    Args:
        peers: dict from a name to a built `keras.Model`, or a list of models, whose
            own names count. They take the same batch and end in one tensor of the
            same classes each; otherwise they may differ as they like.
        head: a layer such as `layers.EnsembleHead`, called with the list of the
            peers' logits; what it returns is the output `"ensemble"`. Defaults to
            None.
        name: str. Defaults to `"cohort"`.

    Raises:
        ValueError: for fewer than two peers, names that cannot be taps, peers that
            share layers, or whose inputs or classes differ.

    Example:

    ```python
    cohort = Cohort({"a": student, "b": wide})
    distiller = Distiller(SelfTeacher(), cohort, methods.mutual(cohort))
    distiller.compile("adam", loss, metrics=["accuracy"])
    distiller.fit(images, labels, verbose=0)  # a_loss, a_accuracy, b_loss, …
    cohort.peers["a"].save("student.keras")
    ```

    Reference:
        Zhang, Xiang, Hospedales, Lu. Deep Mutual Learning. CVPR 2018.
        https://arxiv.org/abs/1706.00384
    """

    shares_labels = True

    def __init__(
        self,
        peers: Mapping[str, keras.Model] | Sequence[keras.Model],
        head: keras.layers.Layer | None = None,
        name: str = "cohort",
    ):
        peers = named_peers(peers)
        first = next(iter(peers.values()))
        super().__init__(name=name, dtype=first.dtype_policy, autocast=False)
        refuse_names(self, peers)
        refuse_shared(peers)
        refuse_shapes(peers)
        self.peer_names = tuple(peers)
        # As attributes, so that a peer's taps begin with its name here.
        for key, peer in peers.items():
            setattr(self, key, peer)
        self.head = head
        self.build(keras.tree.map_structure(lambda x: x.shape, input_spec(first)))

    @property
    def peers(self) -> dict[str, keras.Model]:
        """The models by name, as they were given: ready to save or export."""
        return {name: getattr(self, name) for name in self.peer_names}

    @property
    def output_names(self) -> list[str]:
        """The outputs' names: those of the peers, and `"ensemble"` with a head."""
        return [*self.peer_names, *([] if self.head is None else [ENSEMBLE])]

    def build(self, input_shape):
        if self.head is not None and not self.head.built:
            logits = [tuple(output_spec(peer).shape) for peer in self.peers.values()]
            self.head.build(logits)
        self.built = True

    def call(self, inputs, training=False):
        outputs = {
            name: peer(inputs, training=training) for name, peer in self.peers.items()
        }
        if self.head is not None:
            outputs[ENSEMBLE] = self.head(list(outputs.values()), training=training)
        return outputs

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "peers": {name: serialize(peer) for name, peer in self.peers.items()},
            "head": None if self.head is None else serialize(self.head),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        deserialize = keras.saving.deserialize_keras_object
        peers = {
            name: deserialize(peer, custom_objects)
            for name, peer in config["peers"].items()
        }
        return cls(peers, deserialize(config["head"], custom_objects), config["name"])


def named_peers(peers: Any) -> dict[str, keras.Model]:
    """Peers by name, two or more of them.

    Raises:
        ValueError: for fewer, or models of one name in a list.
        TypeError: where one is not a model.
    """
    if not isinstance(peers, Mapping):
        models = list(peers) if isinstance(peers, Sequence) else [peers]
        names = [getattr(model, "name", "") for model in models]
        unique_names("The peers of a Cohort", names)
        peers = dict(zip(names, models, strict=True))
    if len(peers) < 2:
        raise ValueError(
            "A Cohort needs two peers or more, to learn from each other. "
            f"Received: {listing(peers)}."
        )
    for peer in peers.values():
        require_built(peer)
    return dict(peers)


def refuse_names(cohort: keras.Model, peers: Mapping[str, keras.Model]) -> None:
    """Each name begins the taps of one peer, and must mean nothing else."""
    for name, peer in peers.items():
        kept = ("head", "output", ENSEMBLE, "peer_names")
        if not may_begin_taps(cohort, name) or name in kept:
            raise ValueError(
                "The name of a peer begins its taps, as in 'a/block_2': it must be a "
                "word without '/' that no Keras model has as an attribute, and not "
                f"'head', 'output' or '{ENSEMBLE}'. Received: {name!r}."
            )
        other = peers.get(peer.name, peer)
        if other is not peer:
            raise ValueError(
                f"The peer {name!r} is a model named {peer.name!r}, which is the name "
                "of another peer, so its taps would mean two things: give the peers "
                f"other names. Received: {listing(peers)}."
            )


def refuse_shared(peers: Mapping[str, keras.Model]) -> None:
    """A layer in two peers would be trained by both."""
    owners: dict[int, str] = {}
    for name, peer in peers.items():
        for layer in peer._flatten_layers():
            owner = owners.setdefault(id(layer), name)
            if owner != name and layer.weights:
                raise ValueError(
                    f"The peers {owner!r} and {name!r} share the layer "
                    f"{layer.name!r}: build each of them anew, or use "
                    "`keras_kd.students.branches` for peers with a common trunk."
                )


def refuse_shapes(peers: Mapping[str, keras.Model]) -> None:
    """Peers see one batch and answer one question."""
    found = {name: _shape(output_spec(peer)) for name, peer in peers.items()}
    single = all(isinstance(shape, tuple) for shape in found.values())
    if not single or len({shape[-1] for shape in found.values()}) > 1:
        raise ValueError(
            "The peers of a Cohort must end in one tensor of the same classes each. "
            f"Received the outputs {found}."
        )
    taken = {
        name: keras.tree.map_structure(_shape, input_spec(peer))
        for name, peer in peers.items()
    }
    if any(shape != next(iter(taken.values())) for shape in taken.values()):
        raise ValueError(
            "The peers of a Cohort must take the same batch. "
            f"Received the inputs {taken}."
        )


def _shape(x):
    return tuple(x.shape) if isinstance(x, keras.KerasTensor) else type(x).__name__
