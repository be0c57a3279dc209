"""CIFAR-10: EfficientNet-Lite0 at 224×224 teaches a residual network at 32×32."""

from __future__ import annotations

import io
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_kd.workflow import Augmentation

from .cache import Cache
from .task import CNN_RECIPES, Task, Training, Unavailable
from .training import classes, linear_head

TRAIN, TEST = 20_000, 10_000
WIDTHS = (32, 64, 96)
TRAINING = Training(epochs=30, rate=4e-3, more=4, more_rate=5e-4)
TEACHER, IMAGES = "efficientnet_lite0.keras", "cifar10_jpegbytes.npz"


def task(data: Path | None, folder: Path) -> Task:
    """The task; the teacher's features and answers are computed once."""
    for name in (TEACHER, IMAGES):
        if data is None or not (data / name).exists():
            raise Unavailable(
                f"{name} is not there: name its folder by --data or KERAS_KD_DATA."
            )
    x_train, y_train, x_test, y_test = cifar10(data / IMAGES, TRAIN, TEST)
    cache = Cache(folder / "image-teacher", {"train": TRAIN, "test": TEST})
    parts = (("train", x_train, y_train), ("test", x_test, y_test))
    seen = {name: features(data / TEACHER, x, cache, name) for name, x, _ in parts}

    def answers():
        head = linear_head(seen["train"], y_train, 10)
        predicted = head.predict(seen["train"], batch_size=256, verbose=0)
        right = np.mean(classes(head, seen["test"]) == y_test)
        return {"train": predicted, "accuracy": right}

    stored = cache.arrays("answers", answers)
    return Task(
        name="image",
        family="cnn",
        teacher_name="EfficientNet-Lite0 (ImageNet, frozen) with a head of 10 classes",
        teacher_accuracy=float(stored["accuracy"]),
        about="CIFAR-10, residual network at 32×32",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        network=network,
        training=TRAINING,
        recipes=CNN_RECIPES,
        modes=("int8", "weight_only_int4"),
        logits=stored["train"],
        augment=Augmentation(shift=0.1, flip=True, fill="reflect"),
    )


def network() -> keras.Model:
    """Three stages of a strided convolution and a residual one, all with BN."""
    inputs = keras.Input((32, 32, 3), name="image")
    x = _convolution(inputs, 24)
    for width in WIDTHS:
        x = shortcut = _convolution(x, width, strides=2)
        x = _convolution(x, width, activate=False)
        x = layers.ReLU()(layers.Add()([x, shortcut]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, name="logits")(x), name="student")


def _convolution(x, width: int, strides: int = 1, activate: bool = True):
    x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if activate else x


def features(path: Path, images: np.ndarray, cache: Cache, part: str) -> np.ndarray:
    """The teacher's pooled features, 2,000 images a stage."""
    size, found, look = 2_000, [], None
    for start in range(0, len(images), size):
        name = f"{part}_{start // size:02d}"
        if look is None and not (cache.path / f"{name}.npz").exists():
            look = pooled(path)

        def some(rows=images[start : start + size], look=look, name=name):
            print(f"    teacher looks at images, {name}", flush=True)
            parts = [look(rows[i : i + 100]) for i in range(0, len(rows), 100)]
            return {"x": np.concatenate(parts).astype("float16")}

        found.append(cache.arrays(name, some)["x"])
    return np.concatenate(found).astype("float32")


def pooled(path: Path):
    """A function from images 0…1 to the teacher's features `(images, 1280)`."""
    backbone = keras.models.load_model(path, compile=False)
    model = keras.Model(backbone.inputs, backbone.get_layer("features").output)

    @tf.function(autograph=False)  # the graph folds batch normalization away
    def look(images):
        wide = tf.image.resize(images * 255.0, (224, 224))
        return model(wide, training=False)

    return look


def cifar10(path: Path, train: int, test: int) -> tuple[np.ndarray, ...]:
    """Float images 0…1 and labels: `train` drawn at random and the first `test`."""
    from PIL import Image

    with np.load(path) as stored:
        content, length = stored["bytes"].tobytes(), stored["length"]
        labels, is_test = stored["y"], stored["is_test"].astype(bool)
    ends = np.cumsum(length)

    def decoded(rows):
        images = np.empty((len(rows), 32, 32, 3), "float32")
        for place, row in enumerate(rows):
            part = content[ends[row] - length[row] : ends[row]]
            images[place] = np.asarray(Image.open(io.BytesIO(part)).convert("RGB"))
        return images / 255, labels[rows].astype("int64")

    drawn = np.random.default_rng(0).permutation(np.flatnonzero(~is_test))[:train]
    return *decoded(drawn), *decoded(np.flatnonzero(is_test)[:test])
