// Protobuf's bytes, by the contract that the gateway serves beside this page (contract.json).
//
// A message is what protobuf's JSON is: camel-case names, 64-bit numbers as strings, bytes as
// base64, names of enum values, times as RFC 3339, `Any` with its type under "@type". Fields that
// are not there are left out.

/** Bits of a tag that say how the value is written. */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

/** Messages inside messages that are read; the contract has none so deep. */
const DEPTH_MAX = 32;

const TEXT = new TextEncoder();
const READ_TEXT = new TextDecoder("utf-8", { fatal: true });

/** What cannot be read or written. */
export class WireError extends Error {}

/** Reads and writes the messages of one contract. */
export class Wire {
  /** @param contract what `contract.json` holds */
  constructor(contract) {
    this.enums = contract.enums;
    this.messages = new Map();
    for (const [name, rows] of Object.entries(contract.messages)) {
      const fields = rows.map(([number, key, kind, label]) => ({ number, key, kind, label }));
      this.messages.set(name, {
        byNumber: new Map(fields.map((field) => [field.number, field])),
        byKey: new Map(fields.map((field) => [field.key, field])),
      });
    }
  }

  /** The bytes of a message. */
  encode(name, message) {
    const out = new Out();
    this.#write(out, name, message);
    return out.bytes();
  }

  /** The message in some bytes. */
  decode(name, bytes) {
    return this.#read(new In(bytes), name, 0);
  }

  #shape(name) {
    const shape = this.messages.get(name);
    if (!shape) throw new WireError(`the contract has no message ${name}`);
    return shape;
  }

  #write(out, name, message) {
    const special = WELL_KNOWN[name];
    if (special) return special.write(out, message, this);
    const shape = this.#shape(name);
    for (const [key, value] of Object.entries(message)) {
      const field = shape.byKey.get(key);
      if (!field) throw new WireError(`${name} has no field ${key}`);
      if (value === undefined || value === null) continue;
      if (field.label === "map") {
        for (const entry of Object.entries(value)) {
          this.#writeField(out, field, { key: entry[0], value: entry[1] });
        }
      } else if (field.label === "repeated") {
        for (const one of value) this.#writeField(out, field, one);
      } else {
        this.#writeField(out, field, value);
      }
    }
  }

  #writeField(out, { number, kind }, value) {
    const [sort, name] = split(kind);
    if (sort === "message") {
      const inner = new Out();
      this.#write(inner, name, value);
      out.delimited(number, inner.bytes());
    } else if (sort === "enum") {
      out.tag(number, VARINT);
      out.varint(BigInt.asUintN(64, BigInt(this.#numberOf(name, value))));
    } else {
      SCALARS[kind].write(out, number, value);
    }
  }

  #numberOf(name, value) {
    if (typeof value === "number") return value;
    const found = Object.entries(this.enums[name] ?? {}).find(([, known]) => known === value);
    if (!found) throw new WireError(`${name} has no value ${value}`);
    return Number(found[0]);
  }

  #read(input, name, depth) {
    if (depth > DEPTH_MAX) throw new WireError("too many messages inside each other");
    const special = WELL_KNOWN[name];
    if (special) return special.read(input, this);
    const shape = this.#shape(name);
    const message = {};
    while (!input.ended()) {
      const tag = Number(input.varint());
      const field = shape.byNumber.get(tag >>> 3);
      if (!field) input.skip(tag & 7);
      else this.#readField(input, tag & 7, field, message, depth);
    }
    return message;
  }

  #readField(input, wire, { key, kind, label }, message, depth) {
    const [sort, name] = split(kind);
    const one = (from) => {
      if (sort === "message") return this.#read(new In(from.take()), name, depth + 1);
      if (sort === "enum") {
        const number = Number(BigInt.asIntN(32, from.varint()));
        return this.enums[name]?.[number] ?? number;
      }
      return SCALARS[kind].read(from);
    };
    if (label === "map") {
      const { key: at, value } = one(input);
      message[key] ??= {};
      message[key][at ?? ""] = value;
    } else if (label !== "repeated") {
      message[key] = one(input);
    } else {
      message[key] ??= [];
      const packed = wire === DELIMITED && sort !== "message" && !LENGTHS.has(kind);
      if (!packed) message[key].push(one(input));
      else for (const part = new In(input.take()); !part.ended(); ) message[key].push(one(part));
    }
  }
}

/** "enum:outcry.orders.v1.Side" is a sort and a name; "string" is only a sort. */
function split(kind) {
  const at = kind.indexOf(":");
  return at < 0 ? [kind, ""] : [kind.slice(0, at), kind.slice(at + 1)];
}

/** Scalars that are never packed. */
const LENGTHS = new Set(["string", "bytes"]);

/** How each scalar is read, and written where it is not what its type begins with. */
const SCALARS = {
  string: {
    read: (input) => READ_TEXT.decode(input.take()),
    write: (out, number, value) => out.delimited(number, TEXT.encode(value)),
  },
  bytes: {
    read: (input) => toBase64(input.take()),
    write: (out, number, value) => out.delimited(number, fromBase64(value)),
  },
  bool: varint((bits) => bits !== 0n, (value) => (value ? 1n : 0n)),
  int32: varint((bits) => Number(BigInt.asIntN(32, bits)), BigInt),
  uint32: varint((bits) => Number(BigInt.asUintN(32, bits)), BigInt),
  int64: varint((bits) => String(BigInt.asIntN(64, bits)), BigInt),
  uint64: varint(String, BigInt),
  sint32: varint((bits) => Number(unfold(bits)), fold),
  sint64: varint((bits) => String(unfold(bits)), fold),
  double: {
    read: (input) => input.view(8).getFloat64(0, true),
    write(out, number, value) {
      out.tag(number, FIXED64);
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setFloat64(0, value, true);
      out.raw(bytes);
    },
  },
};

function varint(read, write) {
  return {
    read: (input) => read(input.varint()),
    write(out, number, value) {
      out.tag(number, VARINT);
      out.varint(BigInt.asUintN(64, write(value)));
    },
  };
}

function fold(value) {
  const number = BigInt(value);
  return (number << 1n) ^ (number >> 63n);
}

function unfold(bits) {
  return (bits >> 1n) ^ -(bits & 1n);
}

/** Messages that JSON writes in a form of their own. */
const WELL_KNOWN = {
  "google.protobuf.Timestamp": {
    read(input) {
      const { 1: seconds = 0n, 2: nanos = 0n } = input.varints();
      return instant(BigInt.asIntN(64, seconds), Number(BigInt.asIntN(32, nanos)));
    },
    write(out, text) {
      const [, head, fraction = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(text) ?? [];
      const milliseconds = Date.parse(`${head}Z`);
      if (Number.isNaN(milliseconds)) throw new WireError(`${text} is not a time`);
      out.varints(BigInt(milliseconds / 1000), BigInt(fraction.padEnd(9, "0").slice(0, 9)));
    },
  },
  "google.protobuf.Duration": {
    read(input) {
      const { 1: seconds = 0n, 2: nanos = 0n } = input.varints();
      return `${BigInt.asIntN(64, seconds)}${fraction(Number(BigInt.asIntN(32, nanos)))}s`;
    },
    write(out, text) {
      const [, seconds, fraction = ""] = /^(\d+)(?:\.(\d+))?s$/.exec(text) ?? [];
      if (seconds === undefined) throw new WireError(`${text} is not a duration`);
      out.varints(BigInt(seconds), BigInt(fraction.padEnd(9, "0").slice(0, 9)));
    },
  },
  "google.protobuf.Any": {
    read(input, wire) {
      let type = "";
      let value = new Uint8Array();
      while (!input.ended()) {
        const tag = Number(input.varint());
        if (tag === 0x0a) type = READ_TEXT.decode(input.take());
        else if (tag === 0x12) value = input.take();
        else input.skip(tag & 7);
      }
      const name = type.slice(type.lastIndexOf("/") + 1);
      // What this contract does not know is kept as it came.
      if (!wire.messages.has(name)) return { "@type": type, value: toBase64(value) };
      return { "@type": type, ...wire.decode(name, value) };
    },
    write(out, { "@type": type, ...message }, wire) {
      out.delimited(1, TEXT.encode(type));
      out.delimited(2, wire.encode(type.slice(type.lastIndexOf("/") + 1), message));
    },
  },
};

function instant(seconds, nanos) {
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${whole}${fraction(nanos)}Z`;
}

/** ".123", with three, six or nine digits; nothing for a whole second. */
function fraction(nanos) {
  if (nanos === 0) return "";
  const digits = String(nanos).padStart(9, "0");
  return `.${digits.replace(/(000){1,2}$/, "")}`;
}

function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Bytes that are read from the front. */
class In {
  #bytes;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  ended() {
    return this.#at >= this.#bytes.length;
  }

  varint() {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.ended()) throw new WireError("the message ends inside a number");
      const byte = this.#bytes[this.#at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError("a number is longer than ten bytes");
  }

  take() {
    return this.#part(Number(this.varint()));
  }

  view(length) {
    const part = this.#part(length);
    return new DataView(part.buffer, part.byteOffset, length);
  }

  skip(wire) {
    if (wire === VARINT) this.varint();
    else if (wire === FIXED64) this.#part(8);
    else if (wire === DELIMITED) this.take();
    else if (wire === FIXED32) this.#part(4);
    else throw new WireError(`there is no way of writing ${wire}`);
  }

  /** All fields of a message that only has numbers. */
  varints() {
    const found = {};
    while (!this.ended()) {
      const tag = Number(this.varint());
      if ((tag & 7) === VARINT) found[tag >>> 3] = this.varint();
      else this.skip(tag & 7);
    }
    return found;
  }

  #part(length) {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new WireError("the message ends inside a field");
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}

/** Bytes that are written at the end. */
class Out {
  #parts = [];
  #length = 0;

  tag(number, wire) {
    this.varint(BigInt(number * 8 + wire));
  }

  varint(value) {
    const bytes = [];
    for (; value > 0x7fn; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
    bytes.push(Number(value));
    this.raw(Uint8Array.from(bytes));
  }

  delimited(number, bytes) {
    this.tag(number, DELIMITED);
    this.varint(BigInt(bytes.length));
    this.raw(bytes);
  }

  /** The fields 1 and 2 of a message that only has numbers. */
  varints(first, second) {
    for (const [number, value] of [[1, first], [2, second]]) {
      if (value === 0n) continue;
      this.tag(number, VARINT);
      this.varint(BigInt.asUintN(64, value));
    }
  }

  raw(bytes) {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  bytes() {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
