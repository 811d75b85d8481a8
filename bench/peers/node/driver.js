import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** The program that runs this one: it says when a round begins and reads the results. */
export class Driver {
  #in;
  #out;

  constructor(input, output) {
    this.#in = input;
    this.#out = output;
  }

  /** Tells that everything is connected, and which packages do the work. */
  ready(...packages) {
    this.#say({ ready: true, library: packages.map((name) => `${name} ${version(name)}`).join(", ") });
  }

  /** Runs one round at each "go", until standard input ends. */
  async rounds(round) {
    // Made only now: lines that come before somebody waits for them would be lost.
    for await (const line of createInterface({ input: this.#in })) {
      if (line.trim() !== "go") {
        throw new Error(`the driver said "${line}" instead of "go"`);
      }
      this.#say(await round());
    }
  }

  #say(value) {
    this.#out.write(`${JSON.stringify(value)}\n`);
  }
}

/** The version of a package that is installed; not every package lets its package.json be imported. */
function version(name) {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")).version;
}
