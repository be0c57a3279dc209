"""A labelling run that other processes can be told: paths and plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_kd.store.labelling.labelling import Labelling
from keras_kd.store.labelling.planning import Precision, as_shard
from keras_kd.store.views.augmentation import Augmentation
from keras_kd.store.views.mixing import CutMix, MixUp
from keras_kd.store.views.views import Views
from keras_kd.teachers import FrozenTeacher
from keras_kd.types import OUTPUT
from keras_kd.workflow.arrays import data_to_label
from keras_kd.workflow.inputs import as_frozen, input_size, load_model


@dataclasses.dataclass(frozen=True)
class LabelJob:
    """What `store.label` is asked to do, with files for the teacher and the data.

    `dataclasses.asdict` of it is JSON, and `LabelJob(**fields)` reads it again; the
    paths must mean the same wherever it runs.

    Args:
        teacher: path of a `.keras` file. One that ends in a softmax is labelled as
            logits.
        data: as `load_dataset` takes it; or an `.npz` of images without labels, or of
            an array for each of the teacher's inputs by name.
        out: path of the store's folder.
        part: `"train"`, `"test"` or `"all"`. Defaults to `"train"`.
        image_size: `(height, width)` to which the images are resized, as the student
            sees them; the teacher then sees them at its own size. Defaults to None:
            the teacher's size.
        taps, top_k, precision, temperature, views, batch_size, seed, range_rows: as
            in `store.label`; the seed is also that of the data's split.
        flip, crop, brightness, contrast, saturation: as in `store.Augmentation`.
        mixup, cutmix: positive floats, the alpha of `store.MixUp` or `store.CutMix`.
            Defaults to None.
        engine: `"tensorflow"`, `"litert"`, `"onnx"` or `"auto"`. Defaults to
            `"tensorflow"`.
        int8: bool. The teacher computes in int8, by LiteRT. Defaults to False.

    Raises:
        ValueError: for both `mixup` and `cutmix`, or `int8` in another engine.

    Example:

    ```python
    from keras_kd.workflow import LabelJob

    job = LabelJob("teacher.keras", "digits", "targets", top_k=3, flip=True, views=4)
    job.augmentation()  # Augmentation(flip=True, ...)
    # job.run(), or label_with_workers(job, 2)
    ```
    """

    teacher: str
    data: str
    out: str
    part: str = "train"
    image_size: tuple[int, int] | None = None
    taps: tuple[str, ...] = (OUTPUT,)
    top_k: int | None = None
    precision: Precision = None
    temperature: float = 1.0
    views: int = 1
    flip: bool = False
    crop: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    mixup: float | None = None
    cutmix: float | None = None
    engine: str = "tensorflow"
    int8: bool = False
    batch_size: int = 64
    seed: int = 0
    range_rows: int = 1024

    def __post_init__(self) -> None:
        for name in ("teacher", "data", "out"):
            object.__setattr__(self, name, str(getattr(self, name)))
        taps = (self.taps,) if isinstance(self.taps, str) else tuple(self.taps)
        object.__setattr__(self, "taps", taps)
        if self.image_size is not None:
            object.__setattr__(self, "image_size", tuple(self.image_size))
        if self.mixup is not None and self.cutmix is not None:
            raise ValueError(
                "A view is mixed in one way: pass `mixup` or `cutmix`. "
                f"Received: mixup={self.mixup}, cutmix={self.cutmix}."
            )
        if self.int8 and self.engine not in ("tensorflow", "auto", "litert"):
            raise ValueError(
                "`int8` is computed by engine='litert'. "
                f"Received: engine={self.engine!r}."
            )
        self.augmentation()

    def augmentation(self) -> Views | None:
        """How views are made; None for the images as they are."""
        simple = ("flip", "crop", "brightness", "contrast", "saturation")
        given = {name: getattr(self, name) for name in simple}
        first = Augmentation(**given) if any(given.values()) else None
        if self.mixup is not None:
            return MixUp(self.mixup, augment=first)
        if self.cutmix is not None:
            return CutMix(self.cutmix, augment=first)
        return first

    def load(self) -> tuple[FrozenTeacher, Any]:
        """`(teacher, x)`: the labels are left behind."""
        model = load_model(self.teacher)
        size = self.image_size or input_size(model)
        x, _ = data_to_label(self.data, model, self.part, size, self.seed)
        options: dict[str, Any] = {"engine": self.engine}
        if self.int8:
            options = {"engine": "litert", "precision": "int8"}
        return as_frozen(model, size, **options), x

    def labelling(self, verbose: int = 1) -> Labelling:
        """The run, with its teacher and its data loaded and its store made."""
        teacher, x = self.load()
        return Labelling(
            teacher, x, self.out,
            taps=self.taps, top_k=self.top_k, views=self.views,
            augment=self.augmentation(), precision=self.precision,
            temperature=self.temperature, batch_size=self.batch_size, seed=self.seed,
            range_rows=self.range_rows, verbose=verbose,
        )  # fmt: skip

    def run(self, shard: str | tuple[int, int] = "0/1", verbose: int = 1) -> Any:
        """Label a shard in this process.

        Returns:
            Dict of `"rows"`, `"seconds"`, `"rows_per_second"`, `"bytes"` and
            `"complete"`.
        """
        part = as_shard(shard)
        return self.labelling(verbose).run(part)

    def words(self) -> list[str]:
        """The job as it is typed after `keras-kd label`."""
        words = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            words.append("--" + field.name.replace("_", "-"))
            if value is not True:
                words += spoken(value)
        return words


def spoken(value: Any) -> list[str]:
    """A value as the words of a command line."""
    if isinstance(value, Mapping):
        return [",".join(f"{key}={inner}" for key, inner in value.items())]
    if isinstance(value, tuple) and value and isinstance(value[0], int):
        return ["x".join(map(str, value))]
    if isinstance(value, tuple):
        return list(value)
    return [str(value)]
