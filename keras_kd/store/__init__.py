"""Teacher outputs kept on disk: paid for once, read in every epoch."""

from keras_kd.store.augmentation import Augmentation as Augmentation
from keras_kd.store.damage import DamagedStoreError as DamagedStoreError
from keras_kd.store.examples import Examples as Examples
from keras_kd.store.full_disk import StoreFullError as StoreFullError
from keras_kd.store.functions import EachBatch as EachBatch
from keras_kd.store.label import label as label
from keras_kd.store.locks import StoreBusyError as StoreBusyError
from keras_kd.store.mixing import CutMix as CutMix
from keras_kd.store.mixing import MixUp as MixUp
from keras_kd.store.stored import StoredTeacher as StoredTeacher
from keras_kd.store.verify import verify_store as verify_store
