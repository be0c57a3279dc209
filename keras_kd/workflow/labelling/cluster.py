"""A store labelled by the workers of a Ray cluster.

The numbers of the ranges go through Ray Data to a pool of actors, each of which loads
the teacher once. Rows do not: every actor writes its range into the directory that all
of them see, which is what makes a retry harmless and the bytes the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator
from typing import Any

from keras_kd.engines.engine import cores
from keras_kd.store.labelling.progress import Progress, duration
from keras_kd.store.rows.locks import StoreBusyError
from keras_kd.store.rows.ranges import RangeWriter
from keras_kd.store.stored import StoredTeacher
from keras_kd.validation import positive_int
from keras_kd.workflow.labelling.job import LabelJob
from keras_kd.workflow.labelling.workers import environment


def label_with_ray(
    job: LabelJob, workers: int | None = None, verbose: int = 1
) -> StoredTeacher:
    """Label a store by the workers of a Ray cluster.

    It joins the cluster that runs (`ray.init` was called, or the environment names one
    in RAY_ADDRESS); without one it starts Ray on this machine, for itself alone. A
    worker that dies costs its range: Ray starts another in its place.

    Args:
        job: a `LabelJob`, whose paths mean the same on every machine.
        workers: int. Defaults to None: one for every two cores of the cluster.
        verbose: int, 0 for silence. Defaults to 1.

    Returns:
        The finished `StoredTeacher`.

    Raises:
        ImportError: without Ray.
        RuntimeError: where ranges are left, with the reason.

    Example:

    ```python
    from keras_kd.workflow import LabelJob, label_with_ray

    job = LabelJob("/shared/teacher.keras", "/shared/images", "/shared/targets")
    # store = label_with_ray(job, workers=16)
    ```

    Reference:
        Moritz et al. Ray: A Distributed Framework for Emerging AI Applications. OSDI
        2018. https://arxiv.org/abs/1712.05889
    """
    if workers is not None:
        positive_int("workers", workers)
    ray = _ray()
    labelling = job.labelling(verbose)
    layout = labelling.manifest.layout
    with RangeWriter(labelling.folder, labelling.manifest) as writer:
        undone = writer.undone()
    kept = layout.rows - sum(len(layout.rows_of(number)) for number in undone)
    if undone:
        with _cluster(ray):
            count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // 2)
            progress = Progress(layout.rows, kept, verbose)
            for row in _labelled(ray, job, undone, min(count, len(undone))):
                progress.add(int(row["rows"]))
            found = progress.end()
        labelling.say(
            f"{found['rows']:,} rows in {duration(found['seconds'])}, "
            f"{found['rows_per_second']:,.0f} rows/s by {count} workers."
        )
    # What is left, if anything, is told by whom it was left.
    with RangeWriter(labelling.folder, labelling.manifest) as writer:
        writer.complete()
    return StoredTeacher(job.out, check=False)


class RangeLabeller:
    """What an actor does with the numbers of ranges.

    Args:
        job: dict of `LabelJob`'s fields.
    """

    def __init__(self, job: dict[str, Any]):
        self.labelling = LabelJob(**job).labelling(verbose=0)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Label them; those that another has done meanwhile are done."""
        rows = []
        for number in batch["range"]:
            try:
                rows.append(self.labelling.run_range(int(number)))
            except StoreBusyError:
                # A worker that Ray took for dead is still at it: let it finish.
                rows.append(0)
        return {"range": batch["range"], "rows": rows}


def _labelled(ray: Any, job: LabelJob, undone: list[int], workers: int) -> Any:
    """Rows of `{"range", "rows"}`, as the ranges are done."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # the rows are told by our own
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    numbers = ray.data.from_items(
        [{"range": number} for number in undone], override_num_blocks=len(undone)
    )
    threads = environment(max(1, cores() // 2))
    done = numbers.map_batches(
        RangeLabeller,
        fn_constructor_args=(dataclasses.asdict(job),),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
        runtime_env={"env_vars": threads},
    )
    return done.iter_rows()


@contextlib.contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    """The cluster there is, or one on this machine for as long as the block."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    known = {} if os.environ.get("RAY_ADDRESS") else {
        "include_dashboard": False, "_node_ip_address": "127.0.0.1",
    }  # fmt: skip
    ray.init(log_to_driver=False, logging_level="ERROR", **known)
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            "Labelling on a cluster needs Ray: pip install 'keras-kd[ray]'."
        ) from error
    return ray
