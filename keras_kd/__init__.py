"""Knowledge distillation for Keras 3, from a trained teacher to a phone-ready student.

```python
distiller = keras_kd.Distiller(teacher, student, keras_kd.methods.hinton())
```
"""

from keras_kd import layers, losses, methods
from keras_kd.distiller import Distiller
from keras_kd.metrics import Agreement, TeacherStudentKL
from keras_kd.taps import FeatureExtractor
from keras_kd.targets import pack_targets, unpack_targets
from keras_kd.teachers import EnsembleTeacher, FrozenTeacher, SelfTeacher
from keras_kd.terms import DistillationTerm

__version__ = "0.1.0"

__all__ = [
    "Agreement",
    "DistillationTerm",
    "Distiller",
    "EnsembleTeacher",
    "FeatureExtractor",
    "FrozenTeacher",
    "SelfTeacher",
    "TeacherStudentKL",
    "layers",
    "losses",
    "methods",
    "pack_targets",
    "unpack_targets",
]
