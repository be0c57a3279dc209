// What a .tflite file says of itself: ends, types, scales, labels, normalisation.

import { Table } from "./flatbuffer.js";
import { unzip } from "./zip.js";

const TYPES = [
  "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16",
  "complex64", "int8", "float64", "complex128", "uint64", "resource", "variant",
  "uint32", "uint16", "int4",
];
// Of the metadata's schema: ProcessUnitOptions and AssociatedFileType.
const NORMALIZATION = 1;
const LABELS = 2;

/**
 * Facts of a file. Throws an Error with one sentence where it is none.
 *
 * `inputs` and `outputs` are lists of {name, type, shape, quantization, labels}, with
 * `quantization` null or {scale, zeroPoint} and `labels` null or a list;
 * `normalization` is null or {mean, std} of pixel values from 0 to 255; `about` has
 * the strings of the file's metadata: name, author, recipe, teacher and so on.
 */
export async function readTflite(bytes) {
  try {
    if (new TextDecoder().decode(bytes.subarray(4, 8)) === "TFL3") {
      return await factsOf(Table.root(bytes), bytes);
    }
  } catch {
    // Places beyond the end, or tables that are none: said below.
  }
  throw new Error("it is no TFLite file, or a broken one");
}

async function factsOf(model, bytes) {
  const graphs = model.tables(2);
  // A file with several signatures answers by the one named "serve".
  const signatures = model.tables(7);
  const signature = signatures.find((s) => s.text(2) === "serve") ?? signatures[0];
  const graph = graphs[signature?.uint32(4) ?? 0];
  const tensors = graph.tables(0);
  const buffers = model.tables(4);
  const blobs = Object.fromEntries(
    model.tables(6).map((entry) => [entry.text(0), buffers[entry.uint32(1)].bytes(0)]),
  );
  const said = blobs.TFLITE_METADATA ? await described(blobs.TFLITE_METADATA, bytes) : {};
  const ends = (named, plain) => {
    const places = graph.int32s(plain);
    const maps = signature?.tables(named).map((map) => [map.uint32(1), map.text(0)]);
    return (maps ?? places.map((index) => [index])).map(([index, name]) => ({
      ...end(tensors[index], name),
      labels: (plain === 2 && said.labels?.[places.indexOf(index)]) || null,
    }));
  };
  return {
    bytes: bytes.byteLength,
    signature: signature?.text(2) ?? "",
    inputs: ends(0, 1),
    outputs: ends(1, 2),
    types: weightTypes(graphs, buffers),
    operators: graphs.reduce((sum, graph) => sum + graph.tables(3).length, 0),
    normalization: said.normalization ?? null,
    about: { ...said.about, ...ours(blobs.keras_kd) },
  };
}

/** What keras_kd adds: the student's recipe and teacher. */
function ours(blob) {
  if (!blob) return {};
  const { recipe = "", teacher = "" } = JSON.parse(new TextDecoder().decode(blob));
  return { recipe, teacher };
}

function end(tensor, name) {
  const quantization = tensor.table(4);
  const [scale] = quantization?.floats(2) ?? [];
  const [zeroPoint = 0] = quantization?.int64s(3) ?? [];
  const sizes = tensor.int32s(7);
  return {
    name: name ?? tensor.text(3),
    type: TYPES[tensor.int8(1)] ?? "unknown",
    shape: sizes.length ? sizes : tensor.int32s(0),
    quantization: scale ? { scale, zeroPoint } : null,
  };
}

/** Types of the constants, the most bytes first: what the weights are stored as. */
function weightTypes(graphs, buffers) {
  const sizes = new Map();
  for (const tensor of graphs.flatMap((graph) => graph.tables(0))) {
    const buffer = buffers[tensor.uint32(2)];
    const size = buffer ? buffer.bytes(0).length || buffer.uint64(2) : 0;
    const type = TYPES[tensor.int8(1)] ?? "unknown";
    if (size) sizes.set(type, (sizes.get(type) ?? 0) + size);
  }
  return [...sizes].sort((a, b) => b[1] - a[1]).map(([type]) => type);
}

/** The TFLite metadata of the first graph; `labels` holds a list, or null, an output. */
async function described(blob, bytes) {
  const root = Table.root(blob);
  const graph = root.tables(3)[0];
  const about = {
    name: root.text(0),
    description: root.text(1),
    version: root.text(2),
    author: root.text(4),
    license: root.text(5),
  };
  const units = graph?.tables(2)[0]?.tables(4) ?? [];
  const unit = units.find((candidate) => candidate.int8(0) === NORMALIZATION)?.table(1);
  const normalization = unit ? { mean: unit.floats(0), std: unit.floats(1) } : null;
  const files = await unzip(bytes);
  const labels = graph?.tables(3).map((output) => {
    const file = output.tables(6).find((f) => f.int8(2) === LABELS && files.has(f.text(0)));
    return file ? lines(new TextDecoder().decode(files.get(file.text(0)))) : null;
  });
  return { about, normalization, labels };
}

function lines(text) {
  return text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
}
