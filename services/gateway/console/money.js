// Amounts of money: exact, as ten-thousandths of a unit in big numbers.

/** Parts of a unit that are kept. */
const PARTS = 10_000n;
const DECIMALS = 4;
const NANOS_PER_PART = 100_000n;

/** Decimals that are always shown. */
const SHOWN = 2;

/** The parts of an amount as the contract has it; nothing for nothing. */
export function parts(money) {
  if (!money) return undefined;
  return BigInt(money.units ?? 0) * PARTS + BigInt(money.nanos ?? 0) / NANOS_PER_PART;
}

/** Parts as the contract has them. */
export function toMoney(value, currencyCode) {
  const message = { currencyCode };
  if (value / PARTS !== 0n) message.units = String(value / PARTS);
  if (value % PARTS !== 0n) message.nanos = Number((value % PARTS) * NANOS_PER_PART);
  return message;
}

/** What somebody wrote, as parts; nothing when it is not an amount of at most four decimals. */
export function parseMoney(text) {
  const [, units, decimals = ""] = /^\s*(\d{1,15})(?:\.(\d{1,4}))?\s*$/.exec(text) ?? [];
  if (units === undefined) return undefined;
  return BigInt(units) * PARTS + BigInt(decimals.padEnd(DECIMALS, "0"));
}

/** Parts as people read them: thousands apart, and as many decimals as there are, but at least two. */
export function plain(value, { grouped = true } = {}) {
  if (value === undefined) return "–";
  const size = value < 0n ? -value : value;
  const units = String(size / PARTS);
  const decimals = String(size % PARTS).padStart(DECIMALS, "0");
  const whole = grouped ? units.replace(/\B(?=(\d{3})+$)/g, ",") : units;
  const kept = decimals.slice(0, SHOWN) + decimals.slice(SHOWN).replace(/0+$/, "");
  return `${value < 0n ? "−" : ""}${whole}.${kept}`;
}

/** An amount as people read it. */
export function money(amount) {
  return plain(parts(amount));
}

/** The same with a sign in front of gains, too. */
export function signed(amount) {
  const value = parts(amount);
  return value !== undefined && value > 0n ? `+${plain(value)}` : plain(value);
}

/** Parts as one of JavaScript's numbers, for drawings only. */
export function toNumber(value) {
  return Number(value) / Number(PARTS);
}

/** How an amount of this many shares at this price is written down. */
export function times(price, quantity) {
  return price * BigInt(quantity);
}
