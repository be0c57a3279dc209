"""Knowledge distillation for Keras 3, from a trained teacher to a phone-ready student.

```python
distiller = keras_kd.Distiller(teacher, student, keras_kd.methods.hinton())
```
"""

import pathlib
import sys
from typing import Any

__version__ = "0.1.0"

# The command answers `--help` before TensorFlow is up, and silences its log first.
# Everywhere else what `.keras` files name is imported at once, which registers it.
if pathlib.Path(sys.argv[0] if sys.argv else "").stem != "keras-kd":
    from keras_kd import (
        callbacks,
        compress,
        data_free,
        layers,
        losses,
        methods,
        regimes,
        replicas,
        robust,
        schedules,
        store,
        students,
    )
    from keras_kd import in_place as in_place
    from keras_kd.cohort import Cohort
    from keras_kd.data_free import DataFreeDistiller
    from keras_kd.distiller import Distiller
    from keras_kd.metrics import Agreement, TeacherStudentKL
    from keras_kd.objective.balance import MagnitudeBalance
    from keras_kd.objective.strength import DynamicStrength
    from keras_kd.store import StoredTeacher
    from keras_kd.taps import FeatureExtractor
    from keras_kd.targets import pack_targets, unpack_targets
    from keras_kd.teachers import (
        EMATeacher,
        EnsembleTeacher,
        FrozenTeacher,
        SelfTeacher,
        VirtualTeacher,
    )
    from keras_kd.terms import DistillationTerm
    from keras_kd.views import View


def __getattr__(name: str) -> Any:
    """What holds no layers and no losses is imported where it is first used."""
    if name == "datasets":
        import keras_kd.datasets as datasets

        return datasets
    if name == "export":
        import keras_kd.export as export

        return export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Agreement",
    "Cohort",
    "DataFreeDistiller",
    "DistillationTerm",
    "Distiller",
    "DynamicStrength",
    "EMATeacher",
    "EnsembleTeacher",
    "FeatureExtractor",
    "FrozenTeacher",
    "MagnitudeBalance",
    "SelfTeacher",
    "StoredTeacher",
    "TeacherStudentKL",
    "View",
    "VirtualTeacher",
    "callbacks",
    "compress",
    "data_free",
    "datasets",
    "export",
    "layers",
    "losses",
    "methods",
    "pack_targets",
    "regimes",
    "replicas",
    "robust",
    "schedules",
    "store",
    "students",
    "unpack_targets",
]
