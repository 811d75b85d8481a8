// Accessibility, by axe: in a world of its own beside the page, whose policy stays as it is.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCE = await readFile(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

/** What pages have to keep to. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Finds nothing wrong with what the page shows at the moment. */
export async function accessible(page, what) {
  const session = await page.context().newCDPSession(page);
  try {
    const { frameTree } = await session.send("Page.getFrameTree");
    const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", {
      frameId: frameTree.frame.id,
      worldName: "axe",
    });
    const told = async (expression) => {
      const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
        expression,
        contextId,
        awaitPromise: true,
        returnByValue: true,
      });
      assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
      return result.value;
    };
    await told(`${SOURCE}; 0`);
    const options = JSON.stringify({
      runOnly: RULES,
      resultTypes: ["violations"],
      elementRef: false,
    });
    const { violations, passes } = await told(`axe.run(document, ${options})`);
    assert.ok(passes.length > 0, "axe looked at nothing");
    const found = violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .slice(0, 4)
          .map(({ target, failureSummary }) => `${target.join(" ")} (${failureSummary})`)
          .join("; ")}`,
    );
    assert.deepEqual(found, [], what);
  } finally {
    await session.detach();
  }
}
