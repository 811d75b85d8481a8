// Has a real browser tell the story that `trade` tells, from a page of its own origin.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium, type Page } from "playwright-core";
import { complain, options, required, variable } from "../src/commands/arguments.js";

/** The page's origin is `http://127.0.0.1:<port>`: the platform must be told to allow it. */
const PORT = "7412";
/** For the whole story, in milliseconds: as long as the story's own bound, and the browser's start. */
const PATIENCE_MS = 150_000;
/** Debian's; another one is named by `CHROMIUM`. */
const CHROMIUM = "/usr/bin/chromium";
/** Nothing but the page's own traffic. */
const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Serves the page and its script, and nothing else. */
async function serve(port: number, address: string): Promise<Server> {
  const bundle = await build({
    entryPoints: [`${ROOT}browser/page.ts`],
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
  });
  const files = new Map([
    ["/", { type: "text/html", body: await readFile(`${ROOT}browser/page.html`) }],
    ["/page.js", { type: "text/javascript", body: bundle.outputFiles[0]?.contents ?? "" }],
  ]);
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? "");
    response.setHeader(
      "content-security-policy",
      `default-src 'none'; script-src 'self'; img-src data:; connect-src ${new URL(address).origin}`,
    );
    if (file) response.setHeader("content-type", `${file.type}; charset=utf-8`);
    response.writeHead(file ? 200 : 404).end(file?.body ?? "");
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** Fills in the form as a person would; answers with what the page shows in the end. */
async function visit(page: Page, origin: string, fields: Record<string, string>): Promise<string> {
  const wrong: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(origin);
  for (const [name, value] of Object.entries(fields)) {
    await page.fill(`input[name=${name}]`, value);
  }
  await page.click("button");
  const output = page.locator("output[data-state]");
  await output.waitFor({ state: "attached", timeout: PATIENCE_MS });
  const text = (await output.textContent()) ?? "";
  if ((await output.getAttribute("data-state")) !== "done") wrong.push(text);
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  return text;
}

const symbol = required(options(process.argv.slice(2), ["symbol"]), "symbol", "MSFT");
const address = variable("OUTCRY_ADDRESS", "http://127.0.0.1:7400");
const email = variable("OUTCRY_EMAIL");
const password = variable("OUTCRY_PASSWORD");
const port = Number(variable("OUTCRY_PAGE_PORT", PORT));
const server = await serve(port, address);
const executablePath = variable("CHROMIUM", CHROMIUM);
const browser = await chromium.launch({ executablePath, args: FLAGS });
try {
  const fields = { address, email, password, symbol };
  console.log(await visit(await browser.newPage(), `http://127.0.0.1:${port}/`, fields));
} catch (error) {
  complain(String(error));
  process.exitCode = 1;
} finally {
  await browser.close();
  server.close();
}
