import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { eventJson } from "../event_consumer.js";
import { EventEnvelopeSchema } from "../gen/outcry/events/v1/envelope_pb.js";
import { complain, only, print } from "./arguments.js";

const BODY = ".binpb";

/** `golden`: reads each event that was kept, and compares its JSON with the one beside it. */
export async function golden(args: string[]): Promise<boolean> {
  const folder = only(args, "FOLDER");
  const names = (await readdir(folder, { recursive: true }))
    .filter((name) => name.endsWith(BODY))
    .map((name) => name.slice(0, -BODY.length))
    .sort();
  let good = names.length > 0;
  if (!good) complain(`${folder} has no events`);
  for (const name of names) {
    const same = await isSame(join(folder, name)).catch((error: unknown) => {
      complain(`${name}: ${String(error)}`);
      return false;
    });
    print({ case: name, same });
    good &&= same;
  }
  return good;
}

async function isSame(path: string): Promise<boolean> {
  const body = await readFile(path + BODY);
  const envelope = fromBinary(EventEnvelopeSchema, body);
  const kept: unknown = JSON.parse(await readFile(`${path}.json`, "utf8"));
  return isDeepStrictEqual(eventJson(envelope), kept);
}
