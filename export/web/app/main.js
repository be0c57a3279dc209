// The page: a student, a picture, an answer.

import { camera } from "./camera.js";
import { dequantize, largest, probabilities } from "./numbers.js";
import { draw, entering, normalized } from "./pixels.js";
import { preprocessing } from "./preprocessing.js";
import { hasWebGPU, Student, threadChoices } from "./runtime.js";
import { answerOf, mislabelled, objection } from "./suitable.js";
import { readTflite } from "./tflite.js";
import * as view from "./view.js";

const { $ } = view;
const SHOWN = 5;
let student = null;
let opened = null;
let source = null;
let busy = Promise.resolve();

/** One thing at a time, in order; what goes wrong is said on the page. */
function queue(task) {
  busy = busy.then(async () => {
    document.body.dataset.state = "busy";
    view.showError("");
    try {
      await task();
      document.body.dataset.state = "ready";
    } catch (error) {
      fail(error);
    }
  });
  return busy;
}

function fail(error) {
  view.showError(sentence(error));
  document.body.dataset.state = "failed";
}

function sentence(error) {
  const text = String(error?.message ?? error).trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

async function openStudent(bytes, file, beside = {}) {
  let facts;
  try {
    facts = await readTflite(bytes);
  } catch (error) {
    throw new Error(`“${file}” cannot be opened: ${error.message}.`);
  }
  const reason = objection(facts);
  if (reason) throw new Error(`“${file}” cannot run here: ${reason}.`);
  const loaded = await compile(bytes, facts, file);
  student?.close();
  student = loaded;
  const output = answerOf(facts, beside.labels);
  const mismatch = mislabelled(output, beside.labels);
  const given = mismatch ? null : beside.labels;
  opened = {
    bytes,
    file,
    facts,
    output,
    labels: given ?? output.labels,
    labelled: given ? "--labels" : "the file",
    recipe: facts.about.recipe || beside.report?.recipe || beside.recipe?.name || "",
    name: facts.about.name || file.replace(/\.tflite$/, ""),
  };
  view.showStudent(facts, opened);
  explain();
  if (source) await answer();
  if (mismatch) throw new Error(`The labels do not fit: ${mismatch}.`);
}

async function compile(bytes, facts, file) {
  const options = { accelerator: $("accelerator").value, threads: Number($("threads").value) };
  try {
    const loaded = await Student.load(bytes, facts, options);
    view.showRuntime(options.accelerator, options.threads, loaded.whole);
    return loaded;
  } catch (error) {
    throw new Error(`LiteRT.js refuses “${file}”: ${sentence(error)}`);
  }
}

function explain() {
  $("preprocessing").textContent = preprocessing(opened.facts, $("range").value).sentence;
}

/** The student's input for what is in `source` now. */
function input() {
  const { facts } = opened;
  const [end] = facts.inputs;
  const [, height, width, channels] = end.shape;
  const rgba = draw(source, $("seen"), {
    width,
    height,
    fit: $("fit").value,
    invert: $("invert").checked,
  });
  view.showSeen(end.shape);
  const { normalization } = preprocessing(facts, $("range").value);
  return entering(normalized(rgba, channels, normalization), end);
}

function show(answer) {
  const { output, labels } = opened;
  const raw = answer[output.name];
  const { quantization } = output;
  const values = quantization ? dequantize(raw, quantization) : Array.from(raw);
  const shares = probabilities(values, quantization?.scale ?? 0);
  view.showAnswer(largest(shares, SHOWN), (index) => labels?.[index] ?? `class ${index}`);
}

async function answer() {
  if (!student) throw new Error("There is no student yet: drop a .tflite file on this page.");
  const array = input();
  const { answer: first } = await student.run(array);
  show(first);
  const { times, group } = await student.time(array);
  view.showTimes(times, group, false);
}

async function openPicture(blob, name) {
  const picture = $("picture");
  const url = URL.createObjectURL(blob);
  const trial = new Image();
  trial.src = url;
  try {
    await trial.decode();
  } catch {
    URL.revokeObjectURL(url);
    throw new Error(`“${name}” is no picture that this browser can read.`);
  }
  camera.stop();
  URL.revokeObjectURL(picture.src);
  picture.src = url;
  await picture.decode();
  source = picture;
  view.showPicture("picture", picture);
  await answer();
}

async function open(file) {
  if (file.name.endsWith(".tflite")) {
    await openStudent(new Uint8Array(await file.arrayBuffer()), file.name);
  } else {
    await openPicture(file, file.name || "the pasted picture");
  }
}

async function get(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`“${url}” cannot be had: ${response.status}.`);
  return response;
}

async function start() {
  $("threads").replaceChildren(
    ...threadChoices().map((count) => new Option(String(count), String(count))),
  );
  if (!(await hasWebGPU())) {
    const [, gpu] = $("accelerator").options;
    gpu.disabled = true;
    gpu.textContent = "WebGPU (none here)";
  }
  const beside = await (await get("student.json")).json();
  if (!beside.model) return;
  const bytes = new Uint8Array(await (await get(beside.model)).arrayBuffer());
  await openStudent(bytes, decodeURIComponent(beside.model.split("/").at(-1)), beside);
  offer(beside.samples ?? []);
}

function offer(samples) {
  $("samples").hidden = !samples.length;
  $("samples").replaceChildren(
    ...samples.map((url) => {
      const name = decodeURIComponent(url.split("/").at(-1));
      const picture = view.element("img", { src: url, alt: name });
      const button = view.element("button", { type: "button", title: name }, picture);
      button.addEventListener("click", () =>
        queue(async () => openPicture(await (await get(url)).blob(), name)),
      );
      return view.element("li", {}, button);
    }),
  );
}

function listen() {
  const choose = () => $("file").click();
  $("stage").addEventListener("click", choose);
  $("choose").addEventListener("click", choose);
  $("file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) queue(() => open(file));
    target.value = "";
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("veil").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("veil").hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("veil").hidden = true;
    const [file] = event.dataTransfer.files;
    if (file) queue(() => open(file));
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) queue(() => open(file));
  });
  $("camera").addEventListener("click", () => (camera.running ? stop() : queue(look)));
  for (const id of ["range", "fit", "invert"]) {
    $(id).addEventListener("change", () =>
      queue(async () => {
        if (opened) explain();
        if (source) await answer();
      }),
    );
  }
  for (const id of ["accelerator", "threads"]) {
    $(id).addEventListener("change", () => queue(recompile));
  }
}

async function recompile() {
  if (!opened) return;
  const { bytes, facts, file } = opened;
  try {
    // The runtime is replaced, and what it holds goes with it.
    student?.close();
    student = null;
    student = await compile(bytes, facts, file);
  } catch (error) {
    $("accelerator").value = "wasm";
    student = await compile(bytes, facts, file);
    throw error;
  } finally {
    if (source && student) await answer();
  }
}

async function look() {
  if (!student) throw new Error("There is no student yet: drop a .tflite file on this page.");
  await camera.start($("video"));
  source = $("video");
  view.showPicture("camera");
  watch();
}

/** Frame after frame, until the camera stops. */
async function watch() {
  const times = [];
  const frame = async () => {
    if (!camera.running || source !== $("video")) return;
    const { answer: seen, took } = await student.run(input());
    show(seen);
    times.push(took);
    view.showTimes(times.slice(-60), 1, true);
  };
  $("camera").setAttribute("aria-pressed", "true");
  $("camera").textContent = "Stop the camera";
  while (camera.running) {
    // Beside the queue's tasks, not one of them: a frame clears no error.
    busy = busy.then(frame).catch((error) => {
      camera.stop();
      fail(error);
    });
    await busy;
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  $("camera").setAttribute("aria-pressed", "false");
  $("camera").textContent = "Use the camera";
}

/** The last frame stays, as a picture. */
function stop() {
  queue(async () => {
    const blob = await camera.still($("video"));
    camera.stop();
    if (blob) await openPicture(blob, "the camera’s last frame");
  });
}

listen();
queue(start);
