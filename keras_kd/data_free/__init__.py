"""Distillation without data: where images come from, and what they should be like."""

from keras_kd.data_free.distiller import DataFreeDistiller
from keras_kd.data_free.generator import default_generator
from keras_kd.data_free.memory import ImageMemory
from keras_kd.data_free.pictures import image_grid
from keras_kd.data_free.priors import Prior
from keras_kd.data_free.recipes import adversarial, dafl, deep_inversion
from keras_kd.data_free.sources import GeneratedImages, ImageSource, OptimisedImages

__all__ = [
    "DataFreeDistiller",
    "GeneratedImages",
    "ImageMemory",
    "ImageSource",
    "OptimisedImages",
    "Prior",
    "adversarial",
    "dafl",
    "deep_inversion",
    "default_generator",
    "image_grid",
]
