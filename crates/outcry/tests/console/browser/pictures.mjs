// Pictures of the views, for people.

import { mkdir } from "node:fs/promises";

const FOLDER = process.env.OUTCRY_SCREENSHOTS;

/** Keeps what the page shows at the moment, where pictures are wanted. */
export async function picture(page, name) {
  if (!FOLDER) return;
  await mkdir(FOLDER, { recursive: true });
  await page.screenshot({ path: `${FOLDER}/${name}.png` });
}
