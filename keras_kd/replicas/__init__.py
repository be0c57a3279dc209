"""Several devices, and several processes, that train as one device does.

```python
strategy = keras_kd.replicas.strategy()
with strategy.scope():
    distiller = keras_kd.Distiller(teacher, make_student(), methods.hinton())
    distiller.compile("adam", loss, metrics=["accuracy"])
distiller.fit(dataset, epochs=10, callbacks=[keras_kd.replicas.Backup("backup")])
```
"""

from keras_kd.replicas.backup import Backup as Backup
from keras_kd.replicas.normalization import synchronized as synchronized
from keras_kd.replicas.workers import is_chief as is_chief
from keras_kd.replicas.workers import strategy as strategy
from keras_kd.replicas.workers import worker_folder as worker_folder
