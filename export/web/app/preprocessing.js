// How pixels become the student's numbers, and who said so.

export const RANGES = {
  unit: { mean: [0], std: [255] },
  signed: { mean: [127.5], std: [127.5] },
  bytes: { mean: [0], std: [1] },
};
const WORDS = { unit: "0 to 1", signed: "−1 to 1", bytes: "0 to 255" };

/** {normalization, sentence} for a choice of the page's menu. */
export function preprocessing(facts, choice) {
  const grey = facts.inputs[0].shape[3] === 1 ? " Colours become grey first." : "";
  if (choice !== "file") {
    const sentence = `Pixels enter as ${WORDS[choice]}, as chosen here.${grey}`;
    return { normalization: RANGES[choice], sentence };
  }
  if (facts.normalization?.mean.length) {
    const { mean, std } = facts.normalization;
    const sentence = `The file’s metadata says: (pixel − ${list(mean)}) ÷ ${list(std)}.${grey}`;
    return { normalization: facts.normalization, sentence };
  }
  const spanned = span(facts.inputs[0]);
  if (spanned) {
    const sentence = `The file names no normalisation; its input’s scale spans ${WORDS[spanned]}, so that is how pixels enter.${grey}`;
    return { normalization: RANGES[spanned], sentence };
  }
  const sentence = `The file names no normalisation; pixels enter as ${WORDS.unit}. Choose another if the answers look wrong.${grey}`;
  return { normalization: RANGES.unit, sentence };
}

/** The range that a quantized input was calibrated for, if it is a usual one. */
function span({ type, quantization }) {
  if (!quantization || type !== "uint8") return null;
  const { scale, zeroPoint } = quantization;
  const low = -zeroPoint * scale;
  const high = (255 - zeroPoint) * scale;
  const near = (value, wanted, slack) => Math.abs(value - wanted) <= slack;
  if (near(low, 0, 0.02) && near(high, 1, 0.1)) return "unit";
  if (near(low, -1, 0.1) && near(high, 1, 0.1)) return "signed";
  return near(low, 0, 2) && near(high, 255, 16) ? "bytes" : null;
}

function list(values) {
  const short = values.map((value) => String(Number(value.toPrecision(5))));
  const same = short.every((value) => value === short[0]);
  return same ? short[0] : `(${short.join(", ")})`;
}
