// Each client as the web knows it: `await clients.litert(url, inputs)` and so on.
// A tensor travels as {dtype, shape, data: base64}.

const ARRAYS = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
  int64: BigInt64Array,
};

function unpack({ dtype, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return new ARRAYS[dtype](bytes.buffer);
}

function pack(array, shape) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const dtype = Object.keys(ARRAYS).find((name) => array instanceof ARRAYS[name]);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return { dtype, shape: [...shape], data: btoa(text) };
}

let litertReady;

async function litert(url, batches) {
  const { loadLiteRt, loadAndCompile, Tensor } = await import("@litertjs/core");
  litertReady ??= loadLiteRt("/vendor/@litertjs/core/wasm/");
  await litertReady;
  const model = await loadAndCompile(url, { accelerator: "wasm" });
  const answers = [];
  for (const batch of batches) {
    const inputs = {};
    for (const [name, tensor] of Object.entries(batch)) {
      inputs[name] = new Tensor(unpack(tensor), tensor.shape);
    }
    const outputs = await model.run(inputs);
    const answer = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      answer[name] = pack(await tensor.data(), tensor.type.layout.dimensions);
      tensor.delete();
    }
    for (const tensor of Object.values(inputs)) tensor.delete();
    answers.push(answer);
  }
  model.delete();
  return answers;
}

async function onnx(url, batches) {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.wasmPaths = "/vendor/onnxruntime-web/dist/";
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(url);
  const answers = [];
  for (const batch of batches) {
    const feeds = {};
    for (const [name, tensor] of Object.entries(batch)) {
      feeds[name] = new ort.Tensor(tensor.dtype, unpack(tensor), tensor.shape);
    }
    const outputs = await session.run(feeds);
    answers.push(
      Object.fromEntries(
        Object.entries(outputs).map(([name, t]) => [name, pack(t.data, t.dims)]),
      ),
    );
  }
  await session.release();
  return answers;
}

// Pictures are {width, height, data: base64 RGBA}.
async function mediapipe(url, pictures) {
  const { FilesetResolver, ImageClassifier } = await import("@mediapipe/tasks-vision");
  const files = await FilesetResolver.forVisionTasks("/vendor/@mediapipe/tasks-vision/wasm");
  const classifier = await ImageClassifier.createFromOptions(files, {
    baseOptions: { modelAssetPath: url, delegate: "CPU" },
  });
  const answers = [];
  for (const { width, height, data } of pictures) {
    const pixels = unpack({ dtype: "uint8", data });
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    const result = classifier.classify(image);
    answers.push(
      result.classifications[0].categories.map(({ index, score, categoryName }) => ({
        index,
        score,
        name: categoryName,
      })),
    );
  }
  classifier.close();
  return answers;
}

window.clients = { litert, onnx, mediapipe };
