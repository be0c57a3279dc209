"""From a dataset and two models to a folder of results: thin over the API."""

from keras_kd.workflow.augmentation import Augmentation as Augmentation
from keras_kd.workflow.distill import distill_to_folder as distill_to_folder
from keras_kd.workflow.distill import stages as stages
from keras_kd.workflow.folder import ResultFolder as ResultFolder
from keras_kd.workflow.folder import summary as summary
from keras_kd.workflow.labelling import LabelJob as LabelJob
from keras_kd.workflow.labelling import label_with_ray as label_with_ray
from keras_kd.workflow.labelling import label_with_workers as label_with_workers
from keras_kd.workflow.training import accuracy as accuracy
from keras_kd.workflow.training import train as train
