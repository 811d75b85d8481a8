import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError, options } from "../src/commands/arguments.js";

const NAMES = ["queue", "topic", "count"];

function read(...args: string[]) {
  return Object.fromEntries(options(args, NAMES, "topic"));
}

test("several patterns may follow one flag, and flags them", () => {
  assert.deepEqual(
    read("--queue", "q", "--topic", "a.*", "b.*", "--count", "2", "--topic=c", "--topic", "#"),
    { queue: ["q"], topic: ["a.*", "b.*", "c", "#"], count: ["2"] },
  );
});

test("a value that belongs to no flag, or to one with one value, is refused", () => {
  for (const args of [["a"], ["--queue", "q", "a"], ["--topic", "a", "--count", "1", "b"]]) {
    assert.throws(() => read(...args), UsageError, args.join(" "));
  }
  assert.throws(() => options(["a"], NAMES), UsageError);
  assert.throws(() => options(["--topic", "a", "b"], NAMES), UsageError);
});

test("unknown flags and flags without a value are refused", () => {
  assert.throws(() => read("--other", "a"), UsageError);
  assert.throws(() => read("--queue"), UsageError);
});
