// Whether the page can feed a student, and which of its outputs is the answer.

/** One sentence on why a file cannot run here; "" where it can. */
export function objection({ inputs, outputs }) {
  if (inputs.length !== 1) {
    return `it takes ${inputs.length} inputs, and this page has one picture`;
  }
  const [{ type, shape, name }] = inputs;
  if (shape.length !== 4 || ![1, 3, 4].includes(shape[3])) {
    return `its input “${name}” of shape ${written(shape)} is no picture`;
  }
  if (shape.some((size) => size < 1)) {
    return "LiteRT.js needs fixed sizes; export it with batch_size=1 and a height and width";
  }
  if (shape[0] !== 1) return "it takes several pictures at once; export it with batch_size=1";
  const refused = [...inputs, ...outputs].find((end) => end.type === "int8");
  if (refused) {
    return `LiteRT.js refuses int8 at “${refused.name}”; export it with io="uint8" or io="float32"`;
  }
  return ["float32", "uint8"].includes(type) ? "" : `this page feeds no ${type} pixels`;
}

/** The output that holds the classes. */
export function answerOf({ outputs }, labels) {
  return (
    outputs.find((output) => labels && output.shape.at(-1) === labels.length) ??
    outputs.find((output) => output.labels) ??
    outputs.find((output) => /logit|prob|class|score|head/i.test(output.name)) ??
    outputs[0]
  );
}

/** What is wrong with labels of the command line; "" where they fit. */
export function mislabelled(output, labels) {
  const classes = output.shape.at(-1);
  if (!labels || labels.length === classes) return "";
  return `there are ${labels.length} labels for ${classes} classes; without names then`;
}

export function written(shape) {
  return shape.map((size) => (size < 0 ? "any" : size)).join(" × ");
}
