"""The student as its own teacher."""

from __future__ import annotations

from keras_kd.teachers.teacher import Teacher
from keras_kd.types import OUTPUT


class SelfTeacher(Teacher):
    """The student as its own teacher: deeper taps teach shallower ones.

    The features come from the student's own training pass, so nothing runs twice.

    Example:

    ```python
    Distiller(
        SelfTeacher(),
        student,
        [DistillationTerm(KLDistillation(), student="exit_1", teacher="output")],
    )
    ```

    Reference:
        Zhang et al. Be Your Own Teacher. ICCV 2019.
        https://arxiv.org/abs/1905.08094
    """

    name = "self"

    def features(self, x, taps, student=None):
        if student is None:
            raise ValueError("SelfTeacher needs the student's features of the batch.")
        return {tap: student[tap] for tap in dict.fromkeys((OUTPUT, *taps))}

    def spec(self, x, taps, student=None):
        return self.features(x, tuple(taps), student)

    def student_taps(self, taps):
        return tuple(taps)
