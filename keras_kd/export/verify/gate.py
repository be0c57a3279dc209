"""Limits that a file must keep, for somebody's continuous integration."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from keras_kd.export.benchmark.latency import LatencyComparison
from keras_kd.export.verify.verification import VerificationReport
from keras_kd.validation import positive_int

SLACK = 1e-9
"""Half a point is half a point, whatever binary fractions make of it."""
WIDE = ("FLOAT", "BFLOAT", "COMPLEX")
"""How the names of types begin that an integer unit has no arithmetic for."""

Measure = float | int | str | None


@dataclasses.dataclass(frozen=True)
class Check:
    """One limit beside what was measured.

    Args:
        name: String.
        limit: Number, string or None. What was allowed.
        measured: Number or None, if it could not be measured.
        passed: Boolean. False too where it could not be measured.
        message: String. A sentence.
    """

    name: str
    limit: Measure
    measured: Measure
    passed: bool
    message: str


@dataclasses.dataclass(frozen=True)
class GateResult:
    """What a gate decided.

    Args:
        checks: Tuple of `Check`.
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether there were checks, and all of them passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON can hold it."""
        checks = [dataclasses.asdict(check) for check in self.checks]
        return {"passed": self.passed, "checks": checks}


class Gate:
    """Decides whether a verified file may pass.

    A limit that cannot be measured (an accuracy without labels) is a limit that is
    not kept. Beside the limits, a gate wants the answers to be closer to the model's
    than zeros would be.

    Args:
        max_accuracy_drop: Float. How many percentage points of accuracy the file
            may lose against the model, in its worst output: 0.5 is from 96.5 % to
            96.0 %. Defaults to `None`.
        max_bytes: Integer. Largest size of the file. Defaults to `None`.
        max_latency_ratio: Float. Largest median latency, as a multiple of that of
            the float32 file. Defaults to `None`.
        int8_only: Boolean, or `"strict"`. Whether no tensor that is computed may be
            a float or int16. True lets float inputs and outputs pass that are
            quantized at once and dequantized at last, and says so; `"strict"` does
            not. Defaults to `False`.
        min_agreement: Float in (0, 1]. Smallest share of samples with the model's
            top class. Defaults to `None`.

    Raises:
        ValueError: If no limit is given, or one is out of its range.

    Example:

    ```python
    result = export_tflite(model, "student.tflite")
    report = verify(model, result, np.random.rand(50, 4), labels=np.zeros(50))
    gate = Gate(max_accuracy_drop=0.5, max_bytes=20_000)
    gate.check(report).passed
    ```
    """

    def __init__(
        self,
        max_accuracy_drop: float | None = None,
        max_bytes: int | None = None,
        max_latency_ratio: float | None = None,
        int8_only: bool | str = False,
        min_agreement: float | None = None,
    ) -> None:
        if max_accuracy_drop is not None and not 0 <= max_accuracy_drop <= 100:
            raise ValueError(
                "`max_accuracy_drop` must be percentage points from 0 to 100. "
                f"Received: max_accuracy_drop={max_accuracy_drop}."
            )
        if max_bytes is not None:
            positive_int("max_bytes", max_bytes)
        if max_latency_ratio is not None and not 0 < max_latency_ratio < math.inf:
            raise ValueError(
                "`max_latency_ratio` must be positive. "
                f"Received: max_latency_ratio={max_latency_ratio}."
            )
        if int8_only not in (True, False, "strict"):
            raise ValueError(
                "`int8_only` must be True, False or 'strict'. "
                f"Received: int8_only={int8_only!r}."
            )
        if min_agreement is not None and not 0 < min_agreement <= 1:
            raise ValueError(
                "`min_agreement` must be a share, above 0 and at most 1. "
                f"Received: min_agreement={min_agreement}."
            )
        self.max_accuracy_drop = max_accuracy_drop
        self.max_bytes = max_bytes
        self.max_latency_ratio = max_latency_ratio
        self.int8_only = int8_only
        self.min_agreement = min_agreement
        limits = (max_accuracy_drop, max_bytes, max_latency_ratio, min_agreement)
        if not int8_only and all(limit is None for limit in limits):
            raise ValueError("`Gate` needs a limit. Received: none.")

    def check(
        self, report: VerificationReport, latency: LatencyComparison | None = None
    ) -> GateResult:
        """Hold a report against the limits.

        Args:
            report: What `verify` found.
            latency: What `compare_latency` found of the same file, for
                `max_latency_ratio`. Defaults to `None`.

        Returns:
            A `GateResult`.

        Raises:
            ValueError: If `latency` is of another file.
        """
        if latency is not None and latency.artifact != report.artifact:
            raise ValueError(
                f"`latency` must be of {str(report.artifact)!r}. "
                f"Received: {str(latency.artifact)!r}."
            )
        checks = [verified(report)]
        if self.max_accuracy_drop is not None:
            checks.append(_accuracy(report, self.max_accuracy_drop))
        if self.min_agreement is not None:
            checks.append(_agreement(report, self.min_agreement))
        if self.max_bytes is not None:
            checks.append(_bytes(report, self.max_bytes))
        if self.int8_only:
            checks.append(_integers(report, strict=self.int8_only == "strict"))
        if self.max_latency_ratio is not None:
            checks.append(_latency(latency, self.max_latency_ratio))
        return GateResult(tuple(checks))


def verified(report: VerificationReport) -> Check:
    """Whether the file answers as its model at all.

    Args:
        report: What `verify` found.

    Returns:
        A `Check` on the signal to noise, which must be above that of zeros.
    """
    snr = report.snr_db
    passed = snr is not None and math.isfinite(snr) and snr > 0
    samples = f"{report.samples:,} sample{'' if report.samples == 1 else 's'}"
    message = f"loaded, run and compared on {samples}: {_db(snr)} of signal to noise"
    if not passed:
        message += "; zeros would be as near to the model's answers"
    return Check("verification", 0.0, snr, passed, f"{message}.")


def refused(reason: str) -> GateResult:
    """The result for a file that could not be verified.

    Args:
        reason: String. A sentence.

    Returns:
        A `GateResult` with one failed check.
    """
    return GateResult((Check("verification", 0.0, None, False, reason),))


def _accuracy(report: VerificationReport, limit: float) -> Check:
    # Output by output: the lowest accuracies may be of different ones.
    drops = {
        name: 100 * (output.model_accuracy - output.accuracy)
        for name, output in report.outputs.items()
        if output.accuracy is not None and output.model_accuracy is not None
    }
    if not drops:
        return _unmeasured(
            "accuracy drop", limit, "the data has no class labels for any output"
        )
    name = max(drops, key=lambda name: drops[name])
    before, after = report.outputs[name].model_accuracy, report.outputs[name].accuracy
    of = f" of {name!r}" if len(report.outputs) > 1 else ""
    change = f"from {before:.2%} to {after:.2%}, {-drops[name] + 0.0:+.2f} points"
    return _at_most(
        "accuracy drop", limit, drops[name], f"accuracy{of} goes {change}", f"{limit:g}"
    )


def _agreement(report: VerificationReport, limit: float) -> Check:
    share = report.agreement
    if share is None:
        return _unmeasured("agreement", limit, "no output has classes")
    alone = [n for n, output in report.outputs.items() if output.model_classes == 1]
    if alone:
        why = f"the model names one class for all samples (output {alone[0]!r})"
        return _unmeasured("agreement", limit, f"{why}, as a broken file would")
    passed = math.isfinite(share) and share >= limit - SLACK
    message = (
        f"{share:.2%} of the samples keep the model's top class, "
        f"at least {limit:.2%} wanted."
    )
    return Check("agreement", limit, share, passed, message)


def _bytes(report: VerificationReport, limit: int) -> Check:
    if report.bytes is None:
        return _unmeasured("bytes", limit, "the report does not tell the size")
    return _at_most(
        "bytes", limit, report.bytes, f"{report.bytes:,} bytes", f"{limit:,}"
    )


def _integers(report: VerificationReport, strict: bool) -> Check:
    name = "int8 only, strict" if strict else "int8 only"
    if report.activations is None:
        return _unmeasured(name, 0, "only a .tflite file tells the types it computes")
    wrong = [
        tensor
        for tensor in report.activations
        if tensor["type"].startswith(WIDE)
        or (tensor["type"] == "INT16" and tensor["quantized"])
    ]
    doors = [tensor for tensor in wrong if tensor["door"]]
    counted = wrong if strict else [t for t in wrong if not t["door"]]
    if counted:
        some = ", ".join(t["tensor"].split(";")[0] for t in counted[:3])
        more = f" and {len(counted) - 3} more" if len(counted) > 3 else ""
        message = f"{len(counted)} tensors are not of 8 bits: {some}{more}."
    elif doors:
        message = (
            f"all that is computed has 8 bits; {len(doors)} inputs and outputs are "
            "floats, quantized and dequantized in the file."
        )
    else:
        message = "all that is computed has 8 bits."
    return Check(name, 0, len(counted), not counted, message)


def _latency(latency: LatencyComparison | None, limit: float) -> Check:
    if latency is None:
        return _unmeasured(
            "latency ratio", limit, "no `latency` was given, see `compare_latency`"
        )
    ours, theirs = latency.file_ms["p50"], latency.reference_ms["p50"]
    ratio = latency.ratio
    text = f"{ours:.3g} ms against {theirs:.3g} ms in float32, {ratio:.2f} times"
    return _at_most("latency ratio", limit, ratio, text, f"{limit:g}")


def _at_most(name: str, limit: float, measured: float, text: str, most: str) -> Check:
    passed = math.isfinite(measured) and measured <= limit + SLACK
    return Check(name, limit, measured, passed, f"{text}, at most {most} allowed.")


def _unmeasured(name: str, limit: float, why: str) -> Check:
    return Check(name, limit, None, False, f"cannot be measured: {why}.")


def _db(snr: float | None) -> str:
    return "no" if snr is None else f"{snr:.1f} dB"
