"""From a trained model to one that a converter gets right, or a refusal."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from keras_kd.compress.strip import is_compressed, quantization_mode, strip
from keras_kd.export.recipes import Recipe
from keras_kd.export.signature import Signature, signature_of

OTHER_FLOATS = (
    "mixed_float16",
    "mixed_bfloat16",
    "float16",
    "bfloat16",
    "float64",
)
"""Dtype policies that the converter answers with errors or foreign operators."""

FLOAT32 = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}


def deployable(model: keras.Model) -> tuple[keras.Model, list[str]]:
    """The model to convert, and what had to be changed about it.

    Args:
        model: A built `keras.Model`.

    Returns:
        A pair: the model itself, or the same model rebuilt with float32
        arithmetic; and a list of sentences for the report.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If it is unbuilt, quantized by Keras, carries LoRA weights, keeps
            recurrent state between calls, or cannot be rebuilt in float32.

    Example:

    ```python
    x = keras.Input((4,))
    student = keras.Model(x, keras.layers.Dense(2, dtype="mixed_float16")(x))
    model, notes = deployable(student)
    model.layers[-1].compute_dtype  # 'float32'
    ```
    """
    refuse(model, signature_of(model))
    policies = sorted({p for _, p in _other_policies(model)})
    if not policies:
        return model, []
    return in_float32(model), [
        f"Rebuilt with float32 arithmetic: the model computes in {', '.join(policies)}."
    ]


def uncompressed(
    model: keras.Model, recipe: Recipe
) -> tuple[keras.Model, bool, list[str]]:
    """The model with what `keras_kd.compress` added baked into its weights.

    Args:
        model: A built `keras.Model`.
        recipe: The `Recipe` to export by.

    Returns:
        A triple: the model itself, or a plain copy; whether it still holds the
        ranges that quantization-aware training learned for this recipe; and a list
        of sentences for the report.
    """
    if not is_compressed(model):
        return model, False, []
    mode = quantization_mode(model)
    if mode == "int8" and recipe.activations == "int8":
        return strip(model, keep="quantization"), True, []
    if mode is not None and mode == recipe.name:
        # Folding batch normalization into rounded kernels would move them off the grid.
        return strip(model, keep="quantization"), False, []
    notes = []
    if mode is not None:
        notes.append(
            f"The model was trained with quantize_aware(mode={mode!r}); "
            f"recipe={recipe.name!r} takes its weights and leaves its ranges behind."
        )
    return strip(model), False, notes


def made_ready(
    model: keras.Model, recipe: Recipe
) -> tuple[keras.Model, Signature, bool, list[str]]:
    """The model to convert, by `uncompressed` and `deployable`, and its signature.

    Args:
        model: A built `keras.Model`.
        recipe: The `Recipe` to export by.

    Returns:
        A tuple: the model; its `Signature`, with the ends called as the given model
        calls them; whether it holds the ranges that quantization-aware training
        learned; and a list of sentences for the report.
    """
    names = signature_of(model).layer_names
    plain, trained, notes = uncompressed(model, recipe)
    student, more = deployable(plain)
    signature = dataclasses.replace(signature_of(student), layer_names=names)
    return student, signature, trained, [*notes, *more]


def refuse(model: keras.Model, signature: Signature) -> None:
    """Raise a ValueError for a model that would give a wrong file, or none."""
    for tensor in signature.inputs:
        if tensor.dtype == "string":
            raise ValueError(
                f"Input {tensor.name!r} takes strings, which LiteRT cannot split. "
                "Leave that to the app, and export the part that takes token ids."
            )
    for layer in layers_of(model):
        if getattr(layer, "quantization_mode", None):
            raise ValueError(
                f"Layer {layer.name!r} was quantized by Keras "
                f"({layer.quantization_mode}), which the file format cannot hold. "
                "Export the model as it was before `.quantize()`, with "
                "recipe='int8' or 'dynamic_int8'."
            )
        if getattr(layer, "lora_enabled", False):
            raise ValueError(
                f"Layer {layer.name!r} carries LoRA weights. Merge them: "
                "`model.save_weights(file)` writes them merged; load that file "
                "into the same model built without `enable_lora`."
            )
        if isinstance(layer, keras.layers.RNN) and getattr(layer, "stateful", False):
            raise ValueError(
                f"Layer {layer.name!r} is stateful: its state would not survive in "
                "the file. Build it with stateful=False and hand the state in and "
                "out as inputs and outputs."
            )


def layers_of(model: keras.Model) -> Iterator[Any]:
    """Every layer, however deeply nested."""
    return iter(model._flatten_layers(include_self=False))


def loops_of(model: keras.Model) -> list[str]:
    """The names of the recurrent layers that run as a loop."""
    return [
        layer.name
        for layer in layers_of(model)
        if isinstance(layer, keras.layers.RNN) and not getattr(layer, "unroll", False)
    ]


def in_float32(model: keras.Model) -> keras.Model:
    """The same model and weights, every dtype policy replaced by float32.

    Args:
        model: A built `keras.Model` whose classes have a `get_config`.

    Returns:
        A new model of the same class with the same layer names.

    Raises:
        ValueError: If the model cannot be serialized, or what comes back has other
            weights or is still not float32.
    """
    policy = keras.config.dtype_policy()
    try:
        # Sublayers that a constructor makes take the global policy.
        keras.config.set_dtype_policy("float32")
        config = keras.saving.serialize_keras_object(model)
        config.pop("compile_config", None)
        rebuilt = keras.saving.deserialize_keras_object(
            float32_config(config),
            custom_objects={
                type(part).__name__: type(part)
                for part in (model, *layers_of(model))
                if not type(part).__module__.startswith("keras.")
            },
            safe_mode=False,
        )
    except Exception as error:
        raise _not_rebuilt(model, str(error)) from error
    finally:
        keras.config.set_dtype_policy(policy)
    left = [name for name, _ in _other_policies(rebuilt)]
    if left:
        raise _not_rebuilt(model, f"layers {left} fix their own dtype")
    ours = [(w.name, tuple(w.shape)) for w in rebuilt.weights]
    theirs = [(w.name, tuple(w.shape)) for w in model.weights]
    if ours != theirs:
        raise _not_rebuilt(model, f"its weights come back as {ours}, not {theirs}")
    rebuilt.set_weights([_float32(w) for w in model.get_weights()])
    return rebuilt


def float32_config(node: Any, key: str = "") -> Any:
    """A serialized model with every floating dtype turned to float32."""
    if isinstance(node, dict):
        if "dtype" in key and str(node.get("class_name")).endswith("DTypePolicyMap"):
            return FLOAT32
        if str(node.get("class_name")).endswith("DTypePolicy"):
            other = node.get("config", {}).get("name") in OTHER_FLOATS
            return FLOAT32 if other else node
        return {k: float32_config(v, str(k)) for k, v in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(float32_config(v, key) for v in node)
    if "dtype" in key and isinstance(node, str) and node in OTHER_FLOATS:
        return "float32"
    return node


def _other_policies(model: keras.Model) -> list[tuple[str, str]]:
    """(layer, policy) wherever the arithmetic or the weights are not float32."""
    found = []
    for layer in layers_of(model):
        policy = layer.dtype_policy
        names = {policy.name}
        if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
            names = {policy.default_policy.name, *(p.name for p in policy.values())}
        found += [(layer.name, name) for name in sorted(names & set(OTHER_FLOATS))]
    return found


def _float32(weight: Any) -> Any:
    """A weight array in float32 where it is a float of another width."""
    is_float = keras.backend.is_float_dtype(str(weight.dtype))
    return weight.astype("float32") if is_float else weight


def _not_rebuilt(model: keras.Model, reason: str) -> ValueError:
    return ValueError(
        f"`model` {model.name!r} does not compute in float32, and could not be "
        f"rebuilt so: {reason}. Build it under the float32 policy, call "
        "`set_weights(model.get_weights())` on it, and export that one."
    )
