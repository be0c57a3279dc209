"""Labelling from files: in this process, in several, or on a Ray cluster."""

from keras_kd.workflow.labelling.cluster import label_with_ray as label_with_ray
from keras_kd.workflow.labelling.job import LabelJob as LabelJob
from keras_kd.workflow.labelling.workers import (
    label_with_workers as label_with_workers,
)
