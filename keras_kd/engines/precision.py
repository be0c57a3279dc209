"""A copy of a frozen model that computes in half precision."""

from __future__ import annotations

from typing import Any

import keras

from keras_kd.copying import copy_of

POLICIES = {"float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}


def in_half_precision(model: keras.Model, precision: str) -> keras.Model:
    """The same model and weights with its arithmetic in another float type.

    The weights stay float32 variables; the model itself is not touched.

    Args:
        model: a built `keras.Model` whose classes have a `get_config`.
        precision: `"float16"` or `"bfloat16"`.

    Returns:
        A new model with the same layer names.

    Raises:
        ValueError: if the model cannot be built anew from its configuration.

    Example:

    ```python
    half = in_half_precision(model, "bfloat16")
    half.layers[-1].compute_dtype  # 'bfloat16'
    ```
    """
    policy, before = POLICIES[precision], keras.config.dtype_policy()
    try:
        # Sublayers that a constructor makes take the global policy.
        keras.config.set_dtype_policy(policy)
        return copy_of(model, lambda config: _with_policy(config, policy))
    except Exception as error:
        raise ValueError(
            f"precision={precision!r} needs a copy of the teacher {model.name!r}, and "
            f"it cannot be built from its configuration: {error}"
        ) from error
    finally:
        keras.config.set_dtype_policy(before)


def in_float32(features: Any) -> Any:
    """Features with their half-precision floats as float32."""
    return keras.tree.map_structure(_float32, features)


def _float32(x):
    is_half = keras.backend.standardize_dtype(x.dtype) in POLICIES
    return keras.ops.cast(x, "float32") if is_half else x


def _with_policy(node: Any, policy: str) -> Any:
    """A serialized model with float32 arithmetic turned to that of `policy`."""
    if isinstance(node, dict):
        own = node.get("config") or {}
        if node.get("class_name") == "DTypePolicy" and own.get("name") == "float32":
            return {**node, "config": {**own, "name": policy}}
        return {key: _with_policy(value, policy) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(_with_policy(value, policy) for value in node)
    return node
