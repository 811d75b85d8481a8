// Values of the contract as people read them.

/** "ORDER_STATUS_PARTIALLY_FILLED" without its enum's prefix, as words: "partially filled". */
export function choice(value, prefix) {
  if (value === undefined) return "";
  const text = String(value);
  const bare = text.startsWith(prefix) ? text.slice(prefix.length) : text;
  return bare.toLowerCase().replaceAll("_", " ");
}

/** The last part of a UUID: the first parts of those made at one time are the same. */
export function shortId(id) {
  return id && id.length > 12 ? id.slice(-12) : (id ?? "");
}

/** "user:<id>" as people say it; to that user it is "you". */
export function who(actor, user) {
  const [kind, name = ""] = (actor ?? "").split(":");
  if (kind === "user" && name === user?.userId) return "you";
  if (!kind) return "nobody named";
  return kind === "user" ? `user ${shortId(name)}` : `${kind} ${name}`;
}

const COUNT = new Intl.NumberFormat("en-GB");

/** A number with its thousands apart. */
export function count(value) {
  return COUNT.format(typeof value === "string" ? BigInt(value || "0") : (value ?? 0));
}

/** "1 event", "2 events". */
export function amount(number, one, many = `${one}s`) {
  return `${count(number)} ${Number(number) === 1 ? one : many}`;
}

const pad = (number, length = 2) => String(number).padStart(length, "0");

/** The time of day of an instant, with milliseconds where asked for. */
export function clock(instant, { milliseconds = false } = {}) {
  if (!instant) return "";
  const at = new Date(instant);
  const text = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return milliseconds ? `${text}.${pad(at.getMilliseconds(), 3)}` : text;
}

/** An instant with its day. */
export function date(instant) {
  if (!instant) return "";
  const at = new Date(instant);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${clock(instant)}`;
}

/** Microseconds since the epoch of an instant as the contract writes it. */
export function microseconds(instant) {
  const fraction = /\.(\d+)Z$/.exec(instant)?.[1] ?? "";
  const below = Number(fraction.padEnd(6, "0").slice(3, 6));
  return new Date(instant).getTime() * 1000 + below;
}

/** A span of microseconds in the unit it is read best in. */
export function span(micros) {
  const size = Math.abs(micros);
  if (size < 1000) return `${Math.round(micros)} µs`;
  if (size < 1_000_000) return `${(micros / 1000).toFixed(size < 100_000 ? 1 : 0)} ms`;
  if (size < 120_000_000) return `${(micros / 1_000_000).toFixed(1)} s`;
  return `${Math.round(micros / 60_000_000)} min`;
}

/** A UUID of the fourth kind; browsers make them themselves only on encrypted pages. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Whether a text is a UUID. */
export function isId(text) {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
