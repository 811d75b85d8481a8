// What people do in the page, by what they see of it.

/** The administrator, as the platform has made it. */
export const ADMINISTRATOR = {
  email: process.env.OUTCRY_ADMIN_EMAIL,
  password: process.env.OUTCRY_ADMIN_PASSWORD,
};

/** A customer of these stories, who registers in the first of them. */
export const CUSTOMER = {
  name: "Ada",
  email: "ada@console.example",
  password: "correct horse battery",
};

/** Signs in by the form. */
export async function signIn(page, { email, password }) {
  await page.getByRole("banner").getByRole("link", { name: "Sign in" }).click();
  const door = page.getByRole("region", { name: "Sign in" });
  await door.getByLabel("E-mail").fill(email);
  await door.getByLabel("Password").fill(password);
  await door.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** Opens an account by the form. */
export async function register(page, { name, email, password }) {
  await page.getByRole("banner").getByRole("link", { name: "Sign in" }).click();
  const door = page.getByRole("region", { name: "Register" });
  await door.getByLabel("Name").fill(name);
  await door.getByLabel("E-mail").fill(email);
  await door.getByLabel("Password").fill(password);
  await door.getByRole("button", { name: "Register" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** Goes to a view by the bar. */
export async function go(page, view) {
  await page
    .getByRole("navigation", { name: "Views" })
    .getByRole("link", { name: view, exact: true })
    .click();
  await page.getByRole("heading", { level: 1, name: view }).waitFor({ state: "attached" });
}

/** Waits until a condition on the page's elements holds. */
export async function until(page, what, holds, given) {
  try {
    await page.waitForFunction(holds, given);
  } catch (error) {
    throw new Error(`it did not become so: ${what}`, { cause: error });
  }
}

/** The market has opened: its book has both sides, its tape and its chart have matches. */
export async function trades(page) {
  for (const name of ["Offers", "Bids"])
    await page.getByRole("table", { name }).getByRole("cell", { name: /^\d/ }).first().waitFor();
  await page
    .getByRole("table", { name: "Matches, newest first" })
    .getByRole("cell")
    .first()
    .waitFor();
  await page.getByRole("img", { name: /candle/i }).waitFor();
}

/** Fills in the ticket and sends it; the words that say what came of it. */
export async function place(page, { side = "Buy", type = "Limit", shares, limit }) {
  const ticket = page.getByRole("form", { name: "Place an order" });
  await ticket.getByRole("button", { name: side, exact: true }).click();
  await ticket.getByLabel("Type").selectOption(type);
  await ticket.getByLabel("Shares").fill(String(shares));
  if (limit) await ticket.getByLabel("Limit").fill(limit);
  await ticket.getByRole("button", { name: new RegExp(`^${side} ${shares}`) }).click();
  const said = ticket.getByRole("status");
  await said.getByText(/^Order/).waitFor();
  return said.innerText();
}
