"""Students that never saw an image: what they learn from is made meanwhile."""

from __future__ import annotations

import keras

from keras_kd import DataFreeDistiller, data_free

from .setting import Setting, regime

STEPS, BATCH = 400, 128
ROUNDS, OPTIMISED = 8, 200


@regime("no_data_generator", "no image: a generator learns what the teacher is sure of")
def no_data_generator(setting: Setting):
    generator = data_free.default_generator(setting.x.shape[1:], width=32)
    return _distilled(setting, generator, keras.optimizers.Adam(1e-2))


@regime("no_data_images", "no image: images are optimised (DeepInversion)")
def no_data_images(setting: Setting):
    return _distilled(
        setting,
        data_free.OptimisedImages(OPTIMISED),
        keras.optimizers.Adam(0.3),
        priors=data_free.deep_inversion(opposition=2.0, smoothness=5e-3),
        generator_steps=100,
        student_steps=STEPS // ROUNDS,
    )


def _distilled(setting, generator, optimizer, **kwargs):
    student = setting.student()
    distiller = DataFreeDistiller(
        setting.teacher,
        student,
        generator,
        batch_size=BATCH,
        seed=setting.seed,
        **kwargs,
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-2, STEPS)
    distiller.compile(
        keras.optimizers.Adam(rate), generator_optimizer=optimizer, jit_compile=False
    )
    distiller.fit(steps_per_epoch=STEPS, verbose=0)
    share = setting.accuracy(student) / setting.accuracy(setting.teacher)
    return student, {f"{STEPS} steps": 1.0, "{:.0%} of the teacher's accuracy": share}
