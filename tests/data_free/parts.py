"""A pair of models, and small ways to make images for them."""

import math

import keras
import numpy as np

from keras_kd import DataFreeDistiller
from keras_kd.data_free import OptimisedImages
from tests.models import cnn

SHAPE = (8, 8, 3)


def teacher(**kwargs):
    """A CNN whose BatchNorm remembers something."""
    model = cnn("teacher", 6, seed=1, **kwargs)
    rng = np.random.default_rng(0)
    norm = model.get_layer("bn")
    norm.moving_mean.assign(rng.normal(size=6))
    norm.moving_variance.assign(rng.uniform(0.5, 2.0, 6))
    return model


def generator(shape=SHAPE, units=5):
    """Quick to trace; its BatchNorm has statistics that drawing images moves."""
    keras.utils.set_random_seed(2)
    layers = [
        keras.Input((units,)),
        keras.layers.Dense(math.prod(shape), use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.Activation("sigmoid"),
        keras.layers.Reshape(shape),
    ]
    return keras.Sequential(layers, name="generator")


def optimised(**kwargs):
    return OptimisedImages(10, **kwargs)


def distiller(source=None, of=None, graph=False, **kwargs):
    """Compiled; without a graph, whose making takes longer than such trainings."""
    made = generator() if source is None else source
    given = {"batch_size": 8, **kwargs}
    model = DataFreeDistiller(of or teacher(), cnn("student"), made, **given)
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        generator_optimizer=keras.optimizers.Adam(0.02),
        jit_compile=False,
        run_eagerly=not graph,
    )
    return model


def fit(model, epochs=1, steps=2, **kwargs):
    return model.fit(epochs=epochs, steps_per_epoch=steps, verbose=0, **kwargs)


def weights(model):
    return [w.copy() for w in model.get_weights()]
