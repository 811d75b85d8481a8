// Makes src/gen from the exported schema: types and services with protoc-gen-es, and the catalog of
// events. The compiled schema is enough for the plugin, so neither protoc nor buf is needed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";

/** The plugin's answer is about a megabyte. */
const LARGEST_ANSWER = 64 * 1024 * 1024;
/** The plugin takes about a second. */
const PLUGIN_TIMEOUT_MS = 120_000;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = process.env["OUTCRY_SCHEMA"] || join(root, "..", "schema");
const gen = join(root, "src", "gen");

function read(name) {
  try {
    return readFileSync(join(folder, name));
  } catch (error) {
    throw new Error(
      `${error.message}\nexport the schema first: outcry schema export <folder>, with OUTCRY_SCHEMA=<folder> if it is not clients/schema`,
    );
  }
}

function write(name, text) {
  const path = join(gen, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** protoc-gen-es' files of every file of the contract; google.protobuf's are in its runtime. */
function messages(image) {
  const { file } = fromBinary(FileDescriptorSetSchema, image);
  const ours = file.map(({ name }) => name).filter((name) => !name.startsWith("google/protobuf/"));
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: ours,
    parameter: "target=ts,import_extension=js",
    protoFile: file,
    compilerVersion: { major: 6 },
  });
  const manifest = createRequire(import.meta.url).resolve("@bufbuild/protoc-gen-es/package.json");
  const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
  const plugin = spawnSync(process.execPath, [join(dirname(manifest), bin["protoc-gen-es"])], {
    input: toBinary(CodeGeneratorRequestSchema, request),
    maxBuffer: LARGEST_ANSWER,
    timeout: PLUGIN_TIMEOUT_MS,
    stdio: ["pipe", "pipe", "inherit"],
  });
  if (plugin.error || plugin.status !== 0) {
    throw plugin.error ?? new Error(`protoc-gen-es ended with ${plugin.status ?? plugin.signal}`);
  }
  const answer = fromBinary(CodeGeneratorResponseSchema, plugin.stdout);
  if (answer.error) throw new Error(answer.error);
  for (const made of answer.file) write(made.name, made.content);
  return ours;
}

/** All files of the contract in one list, for a registry. */
function fileList(names) {
  const imports = names.map((name) => {
    const constant = `file_${name.replace(/\.proto$/, "").replace(/[^a-zA-Z0-9]/g, "_")}`;
    return { constant, module: `./${name.replace(/\.proto$/, "_pb.js")}` };
  });
  return `${imports.map((one) => `import { ${one.constant} } from "${one.module}";`).join("\n")}

/** Every file of the contract. */
export const files = [${imports.map((one) => one.constant).join(", ")}];
`;
}

/**
 * Hashes of the files with all they import, as the platform makes them: of a FileDescriptorSet of the
 * files sorted by name, each without source info.
 */
function fingerprints(image) {
  const { file } = fromBinary(FileDescriptorSetSchema, image);
  const byName = new Map(file.map((one) => [one.name, one]));
  const collect = (name, found) => {
    if (found.has(name)) return found;
    found.add(name);
    byName.get(name)?.dependency.forEach((imported) => collect(imported, found));
    return found;
  };
  return (name) => {
    const closure = [...collect(name, new Set())].sort().map((one) => byName.get(one));
    for (const one of closure) one.sourceCodeInfo = undefined;
    const set = create(FileDescriptorSetSchema, { file: closure });
    return createHash("sha256").update(toBinary(FileDescriptorSetSchema, set)).digest("hex");
  };
}

/** What the package keeps of each event of the catalog, which must be of the same contract. */
function catalog(text, fingerprint) {
  const events = JSON.parse(text).events.map((event) => ({
    topic: event.topic,
    owner: event.owner,
    version: event.version,
    fullName: event.full_name,
    file: event.file,
    fingerprint: event.fingerprint,
  }));
  for (const event of events) {
    const missing = Object.keys(event).filter((key) => event[key] === undefined);
    if (missing.length)
      throw new Error(`catalog.json: ${event.topic} has no ${missing.join(", ")}`);
  }
  return `/** The events of the contract this package was built from. */
export const events = ${JSON.stringify(events, null, 2)} as const;
`;
}

const image = read("outcry.binpb");
const known = catalog(read("catalog.json").toString("utf8"), fingerprints(image));
rmSync(gen, { recursive: true, force: true });
const names = messages(image);
write("files.ts", fileList(names));
write("catalog.ts", known);
console.log(`made src/gen from ${names.length} files`);
