// Arithmetic of the page, without page or runtime.

/** Whole number nearest to `value`; halves go to the even one, as numpy's rint. */
export function rint(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Real numbers as steps of a quantized tensor. */
export function quantize(values, { scale, zeroPoint }, [lowest, highest]) {
  return Array.from(values, (value) =>
    Math.min(highest, Math.max(lowest, rint(value / scale) + zeroPoint)),
  );
}

/** The real numbers that the steps of a quantized tensor stand for. */
export function dequantize(steps, { scale, zeroPoint }) {
  return Array.from(steps, (step) => (step - zeroPoint) * scale);
}

export function softmax(logits) {
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/**
 * Probabilities from whatever the student ends in. A student with softmax is left
 * alone; its quantized values need not add up to one exactly.
 */
export function probabilities(values, step = 0) {
  const sum = values.reduce((a, b) => a + b, 0);
  const slack = 0.01 + (step * values.length) / 2;
  const between = values.every((value) => value >= 0 && value <= 1 + step);
  return between && Math.abs(sum - 1) <= slack ? values : softmax(values);
}

/** The `count` largest as {index, value}, largest first; ties by index. */
export function largest(values, count) {
  return Array.from(values, (value, index) => ({ index, value }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, count);
}

/** The value below which `share` of the sorted values lie, interpolated. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

/** Three significant digits, never in powers of ten. */
export function digits(value) {
  if (!Number.isFinite(value) || value === 0) return "0";
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 6));
}

export function milliseconds(value) {
  return value < 1 ? [digits(value * 1000), "µs"] : [digits(value), "ms"];
}

export function bytes(count) {
  if (count < 1000) return [String(count), "bytes"];
  return count < 1e6 ? [digits(count / 1e3), "kB"] : [digits(count / 1e6), "MB"];
}

export function percent(value) {
  const shown = value * 100;
  if (shown > 99.9 && shown < 100) return "over 99.9 %";
  if (shown > 0 && shown < 0.01) return "under 0.01 %";
  return `${shown >= 9.95 ? shown.toFixed(1) : shown.toFixed(2)} %`;
}
