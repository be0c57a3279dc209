"""Teacher outputs kept on disk: paid for once, read in every epoch."""

from keras_kd.store.data.examples import Examples as Examples
from keras_kd.store.label import label as label
from keras_kd.store.rows.damage import DamagedStoreError as DamagedStoreError
from keras_kd.store.rows.full_disk import StoreFullError as StoreFullError
from keras_kd.store.rows.locks import StoreBusyError as StoreBusyError
from keras_kd.store.stored import StoredTeacher as StoredTeacher
from keras_kd.store.verify import StoreCheck as StoreCheck
from keras_kd.store.verify import verify_store as verify_store
from keras_kd.store.views.augmentation import Augmentation as Augmentation
from keras_kd.store.views.functions import EachBatch as EachBatch
from keras_kd.store.views.mixing import CutMix as CutMix
from keras_kd.store.views.mixing import MixUp as MixUp
