// Reads an AsyncAPI document with the official parser and prints, as one line of JSON, what it has
// and what is wrong with it; exits 1 when something is.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser";

const [file, ...more] = process.argv.slice(2);
if (!file || more.length > 0) {
  console.error("usage: npm run asyncapi -- <file>");
  process.exit(2);
}
// npm runs scripts in the folder of the package; the file is named from where npm was called.
const source = resolve(process.env["INIT_CWD"] ?? "", file);
let text;
try {
  text = readFileSync(source, "utf8");
} catch (error) {
  console.error(error.message);
  process.exit(2);
}
const { document, diagnostics } = await new Parser().parse(text, { source });
const errors = diagnostics
  .filter((one) => one.severity === DiagnosticSeverity.Error)
  .map((one) => ({ path: one.path.join("."), code: one.code, message: one.message }));
console.log(
  JSON.stringify({
    version: document?.version() ?? null,
    channels: document?.allChannels().length ?? 0,
    operations: document?.allOperations().length ?? 0,
    messages: document?.allMessages().length ?? 0,
    // The named ones: the parser also counts every property of each.
    schemas: document?.components().schemas().length ?? 0,
    errors,
  }),
);
process.exitCode = errors.length > 0 ? 1 : 0;
