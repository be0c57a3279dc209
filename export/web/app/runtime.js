// LiteRT.js: load a student, run it, time it.

import { isWebGPUSupported, loadAndCompile, loadLiteRt, Tensor, unloadLiteRt } from "@litertjs/core";

const RUNTIME = new URL("vendor/@litertjs/core/wasm/", document.baseURI).href;
let loaded = "";

/** Whether this browser has a graphics adapter behind WebGPU. */
export async function hasWebGPU() {
  return isWebGPUSupported() && (await navigator.gpu.requestAdapter()) !== null;
}

/** Threads that the page may use; one unless the browser shares memory with it. */
export function threadChoices() {
  const most = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency || 1 : 1;
  return [1, 2, 4, 8].filter((count) => count <= Math.max(1, most));
}

/** A compiled student. `run` takes typed arrays by input name. */
export class Student {
  static async load(bytes, facts, { accelerator, threads }) {
    const build = accelerator === "webgpu" ? "jspi" : threads > 1 ? "threads" : "plain";
    if (loaded !== build) {
      if (loaded) unloadLiteRt();
      loaded = "";
      await loadLiteRt(RUNTIME, { jspi: build === "jspi", threads: build === "threads" });
      loaded = build;
    }
    const model = await loadAndCompile(bytes.slice(), {
      accelerator,
      cpuOptions: { numThreads: threads },
    });
    return new Student(model, facts);
  }

  constructor(model, facts) {
    this.model = model;
    this.runner = model.signatures[facts.signature] ?? model;
    this.facts = facts;
  }

  /** Whether all of it runs on the accelerator that was asked for. */
  get whole() {
    return this.model.isFullyAccelerated;
  }

  /** One answer as {name: typed array}, and the milliseconds it took. */
  async run(array) {
    const [input] = this.facts.inputs;
    const tensor = new Tensor(array, input.shape.map(Math.abs));
    try {
      const start = performance.now();
      const outputs = await this.runner.run({ [input.name]: tensor });
      const answer = {};
      for (const [name, output] of Object.entries(outputs)) {
        answer[name] = await output.data();
        output.delete();
      }
      return { answer, took: performance.now() - start };
    } finally {
      tensor.delete();
    }
  }

  /**
   * Milliseconds of single calls, after a warm-up. Calls shorter than the browser's
   * clock can tell are timed in groups.
   */
  async time(array, { samples = 25, budget = 400 } = {}) {
    const begun = performance.now();
    let last = begun;
    let guess = 0;
    for (let i = 0; i < 50 && last - begun < 100; i += 1) {
      await this.run(array);
      guess = Math.max(performance.now() - last, 1e-3);
      last = performance.now();
    }
    const group = Math.min(50, Math.max(1, Math.ceil(1 / guess)));
    const times = [];
    const end = performance.now() + budget;
    while (times.length < samples && (times.length < 5 || performance.now() < end)) {
      const start = performance.now();
      for (let i = 0; i < group; i += 1) await this.run(array);
      times.push((performance.now() - start) / group);
    }
    return { times, group };
  }

  close() {
    this.model.delete();
  }
}
