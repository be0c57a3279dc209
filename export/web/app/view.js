// What the page shows. Nothing here knows the runtime.

import { bytes, digits, milliseconds, percent, percentile } from "./numbers.js";
import { written } from "./suitable.js";

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function valueOf(id, [number, unit]) {
  $(id).replaceChildren(number, element("small", {}, ` ${unit}`));
}

export function showError(sentence) {
  $("error").textContent = sentence;
  $("error").hidden = !sentence;
  if (sentence) $("error").scrollIntoView({ block: "nearest" });
}

export function showStudent(facts, { file, name, recipe, labels, labelled }) {
  const { about } = facts;
  document.title = `${name} · student`;
  $("name").textContent = name;
  $("kicker").textContent = [
    recipe && `${recipe} student`,
    about.teacher && `taught by ${about.teacher}`,
    "LiteRT.js in this browser",
  ]
    .filter(Boolean)
    .join(" · ");
  $("lede").textContent =
    about.description ||
    "Drop a picture, paste one, or use the camera: the student answers, and no teacher is asked.";
  valueOf("bytes", bytes(facts.bytes));
  $("bytes-note").textContent = `weights as ${facts.types.join(" and ") || "constants"}`;
  $("facts").replaceChildren(
    list("Stored", [
      ["file", file],
      ["bytes", facts.bytes.toLocaleString("en")],
      ["recipe", recipe || "not said"],
      ["operators", facts.operators],
    ]),
    list("In and out", [
      ...[...facts.inputs, ...facts.outputs].flatMap((end) => [
        [end.name, `${written(end.shape)} ${end.type}`],
        ...step(end),
      ]),
    ]),
    list("Metadata", [
      ["labels", labels ? `${labels.length}, from ${labelled}` : "none"],
      ["pixels", facts.normalization ? "normalisation given" : "no normalisation"],
      ...["teacher", "version", "author", "license"]
        .filter((key) => about[key])
        .map((key) => [key, about[key]]),
    ]),
  );
}

function step({ name, quantization }) {
  if (!quantization) return [];
  const { scale, zeroPoint } = quantization;
  return [[`${name}, one step`, `${digits(scale)}, zero at ${zeroPoint}`]];
}

function list(title, rows) {
  const entries = rows.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, String(value))),
  );
  return element("div", {}, element("h3", {}, title), element("dl", {}, ...entries));
}

/** Five bars; `ranked` is [{index, value}], largest first. */
export function showAnswer(ranked, labelOf) {
  const [first, second] = ranked;
  $("top").textContent = labelOf(first.index);
  $("top").dataset.index = first.index;
  $("sure").textContent = second?.value > 0
    ? `${percent(first.value)} sure; “${labelOf(second.index)}” comes next with ${percent(second.value)}`
    : `${percent(first.value)} sure`;
  const rows = $("bars");
  while (rows.children.length < ranked.length) rows.append(bar());
  while (rows.children.length > ranked.length) rows.lastChild.remove();
  ranked.forEach(({ index, value }, place) => {
    const row = rows.children[place];
    row.dataset.index = index;
    row.querySelector(".label").textContent = labelOf(index);
    row.querySelector(".share").textContent = percent(value);
    row.querySelector("i").style.inlineSize = `${Math.max(value * 100, 0)}%`;
  });
}

function bar() {
  return element(
    "li",
    {},
    element("span", { className: "label" }),
    element("span", { className: "share" }),
    element("span", { className: "bar" }, element("i")),
  );
}

export function showTimes(times, group, live) {
  valueOf("latency", milliseconds(percentile(times, 0.5)));
  valueOf("slow", milliseconds(percentile(times, 0.9)));
  const several = group > 1 ? `${times.length} × ${group}` : `${times.length}`;
  $("latency-note").textContent = live
    ? `median of the last ${times.length} frames`
    : `median of ${several} runs`;
  $("slow-note").textContent = live ? "as the camera runs" : "of the same runs";
}

export function showRuntime(accelerator, threads, whole) {
  const onGpu = accelerator === "webgpu";
  const share = whole ? "all of it" : "in part, the rest on the CPU";
  $("where").textContent = onGpu ? "WebGPU" : "CPU";
  $("where-note").textContent = onGpu
    ? share
    : `${threads} thread${threads > 1 ? "s" : ""}, WebAssembly`;
}

export function showPicture(kind, source) {
  $("empty").hidden = true;
  $("picture").hidden = kind !== "picture";
  $("video").hidden = kind !== "camera";
  $("live").hidden = kind !== "camera";
  $("scale").hidden = false;
  if (kind === "picture") $("picture").classList.toggle("few", source.naturalWidth < 96);
}

/** The thumbnail: its picture has been drawn, this says how large it is. */
export function showSeen([, height, width, channels]) {
  $("seen").classList.toggle("few", width < 96);
  $("seen-size").textContent = `${width} × ${height}, ${channels === 1 ? "grey" : "colour"}`;
}
