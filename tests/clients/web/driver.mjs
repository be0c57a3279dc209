// A browser that answers on stdin: one JSON command a line, one JSON answer a line.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, chromium, ...extra] = process.argv.slice(2);
const { chromium: browsers } = await import(
  pathToFileURL(`${modules}/playwright-core/index.mjs`).href
);
const browser = await browsers.launch({
  executablePath: chromium,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // MediaPipe reports its use to its maker: here nobody but this machine is asked.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    ...extra,
  ],
});

let page;
let requests = [];
let complaints = [];

const commands = {
  async open({ url, width = 1200, height = 900, scheme = "light", permissions = [] }) {
    await page?.context().close();
    requests = [];
    complaints = [];
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: "reduce",
      permissions,
    });
    page = await context.newPage();
    page.setDefaultTimeout(60000);
    page.on("request", (request) => requests.push(request.url()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    await page.goto(url, { waitUntil: "load" });
  },
  evaluate: ({ script, argument }) =>
    page.evaluate(([body, value]) => new Function("value", body)(value), [script, argument]),
  async wait({ script, seconds = 60 }) {
    const timeout = seconds * 1000;
    await page.waitForFunction((body) => new Function(body)(), script, { timeout });
  },
  text: ({ selector }) => page.locator(selector).innerText(),
  texts: ({ selector }) => page.locator(selector).allInnerTexts(),
  attribute: ({ selector, name }) => page.locator(selector).getAttribute(name),
  count: ({ selector }) => page.locator(selector).count(),
  visible: ({ selector }) => page.locator(selector).isVisible(),
  click: ({ selector }) => page.locator(selector).click(),
  press: ({ key }) => page.keyboard.press(key),
  files: ({ selector, paths }) => page.locator(selector).setInputFiles(paths),
  select: ({ selector, value }) => page.locator(selector).selectOption(value),
  size: ({ width, height }) => page.setViewportSize({ width, height }),
  async screenshot({ path, full = true }) {
    await page.screenshot({ path, fullPage: full });
  },
  version: () => browser.version(),
  requests: () => requests,
  complaints: () => complaints,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  let answer;
  try {
    const value = await commands[command](rest);
    answer = { value: value ?? null };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
