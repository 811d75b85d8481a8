// Protobuf's bytes, by the contract that the gateway serves beside this page (contract.json).
//
// A message is what protobuf's JSON is: camel-case names, 64-bit numbers as strings, bytes as
// base64, names of enum values, times as RFC 3339, `Any` with its type under "@type". Fields that
// are not there are left out.

import { Input, Output, WireError, VARINT, FIXED64, DELIMITED } from "./bytes.js";

/** Messages inside messages that are read; the contract has none so deep. */
const DEPTH_MAX = 32;

/** Reads and writes the messages of one contract. */
export class Wire {
  #messages = new Map();

  /** @param contract what `contract.json` holds */
  constructor(contract) {
    for (const [name, rows] of Object.entries(contract.messages)) {
      const fields = rows.map((row) => described(row, contract.enums));
      this.#messages.set(name, {
        byNumber: new Map(fields.map((field) => [field.number, field])),
        byKey: new Map(fields.map((field) => [field.key, field])),
      });
    }
  }

  /** Whether the contract has this message. */
  knows(name) {
    return this.#messages.has(name);
  }

  /** The bytes of a message. */
  encode(name, message) {
    const out = new Output();
    this.#write(out, name, message);
    return out.bytes();
  }

  /** The message in some bytes. */
  decode(name, bytes) {
    return this.#read(new Input(bytes), name, 0, {});
  }

  #shape(name) {
    const shape = this.#messages.get(name);
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
        for (const [at, one] of Object.entries(value)) {
          this.#writeField(out, field, { key: at, value: one });
        }
      } else if (field.label === "repeated") {
        for (const one of value) this.#writeField(out, field, one);
      } else {
        this.#writeField(out, field, value);
      }
    }
  }

  #writeField(out, field, value) {
    if (field.message) {
      const inner = new Output();
      this.#write(inner, field.message, value);
      out.delimited(field.number, inner.bytes());
    } else {
      field.scalar.write(out, field.number, value);
    }
  }

  /** Adds what the bytes hold to `message`. */
  #read(input, name, depth, message) {
    if (depth > DEPTH_MAX) throw new WireError("too many messages inside each other");
    const special = WELL_KNOWN[name];
    if (special)
      return special.read(
        input,
        (inner, known, into) => this.#read(inner, known, depth + 1, into),
        this,
      );
    const { byNumber } = this.#shape(name);
    while (!input.ended()) {
      const tag = Number(input.varint());
      const field = byNumber.get(tag >>> 3);
      const way = tag & 7;
      // Another way of writing is another contract's field: as unknown as another number.
      if (field && way === field.way) this.#take(input, field, message, depth);
      else if (field?.packable && way === DELIMITED) unpack(input, field, message);
      else input.skip(way);
    }
    return message;
  }

  #take(input, { key, label, scalar, message: name }, message, depth) {
    const one = name ? this.#read(input.part(), name, depth + 1, {}) : scalar.read(input);
    if (label === "") message[key] = one;
    else if (label === "repeated") (message[key] ??= []).push(one);
    else (message[key] ??= {})[one.key ?? ""] = one.value ?? "";
  }
}

/** A row of the contract as reading and writing need it. */
function described([number, key, kind, label], enums) {
  const at = kind.indexOf(":");
  const [sort, name] = at < 0 ? [kind, ""] : [kind.slice(0, at), kind.slice(at + 1)];
  if (sort === "message") return { number, key, label, message: name, way: DELIMITED };
  const scalar = sort === "enum" ? choice(name, enums[name] ?? {}) : SCALARS[kind];
  if (!scalar) throw new WireError(`field ${key} is of a kind that is not known: ${kind}`);
  const packable = label === "repeated" && scalar.way !== DELIMITED;
  return { number, key, label, scalar, way: scalar.way, packable };
}

/** Numbers that are written as one field. */
function unpack(input, { key, scalar }, message) {
  const values = (message[key] ??= []);
  for (const part = input.part(); !part.ended();) values.push(scalar.read(part));
}

/** An enum, by the names of its values by their numbers. */
function choice(name, names) {
  const numbers = new Map(Object.entries(names).map(([number, one]) => [one, Number(number)]));
  return varint(
    (bits) => names[signed32(bits)] ?? signed32(bits),
    (value) => {
      const number = typeof value === "number" ? value : numbers.get(value);
      if (number === undefined) throw new WireError(`${name} has no value ${value}`);
      return number;
    },
  );
}

/** A scalar that is written as a number of as many bytes as it needs. */
function varint(read, write) {
  return {
    way: VARINT,
    read: (input) => read(input.varint()),
    write(out, number, value) {
      out.tag(number, VARINT);
      out.varint(write(value));
    },
  };
}

/** How each scalar is read and written. Bits are a number where it is exact, and otherwise big. */
const SCALARS = {
  string: {
    way: DELIMITED,
    read: (input) => input.text(),
    write: (out, number, value) => out.text(number, value),
  },
  bytes: {
    way: DELIMITED,
    read: (input) => toBase64(input.take()),
    write: (out, number, value) => out.delimited(number, fromBase64(value)),
  },
  bool: varint(
    (bits) => bits !== 0,
    (value) => (value ? 1 : 0),
  ),
  int32: varint(signed32, Number),
  uint32: varint(
    (bits) => (typeof bits === "number" ? bits >>> 0 : Number(BigInt.asUintN(32, bits))),
    Number,
  ),
  int64: varint((bits) => String(signed64(bits)), BigInt),
  uint64: varint(String, BigInt),
  sint32: varint((bits) => Number(unfold(bits)), fold),
  sint64: varint((bits) => String(unfold(bits)), fold),
  double: {
    way: FIXED64,
    read: (input) => input.double(),
    write: (out, number, value) => out.double(number, value),
  },
};

function signed32(bits) {
  return typeof bits === "number" ? bits | 0 : Number(BigInt.asIntN(32, bits));
}

function signed64(bits) {
  return typeof bits === "number" ? bits : BigInt.asIntN(64, bits);
}

function fold(value) {
  const number = BigInt(value);
  return (number << 1n) ^ (number >> 63n);
}

function unfold(bits) {
  const number = BigInt(bits);
  return (number >> 1n) ^ -(number & 1n);
}

/** Messages that JSON writes in a form of their own. */
const WELL_KNOWN = {
  "google.protobuf.Timestamp": {
    read(input) {
      const [seconds, nanos] = input.two();
      const whole = new Date(Number(signed64(seconds)) * 1000).toISOString().slice(0, 19);
      return `${whole}${fraction(nanos)}Z`;
    },
    write(out, text) {
      const [, head, digits = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(text) ?? [];
      const milliseconds = Date.parse(`${head}Z`);
      if (Number.isNaN(milliseconds)) throw new WireError(`${text} is not a time`);
      out.two(milliseconds / 1000, Number(digits.padEnd(9, "0").slice(0, 9)));
    },
  },
  "google.protobuf.Duration": {
    read(input) {
      const [seconds, nanos] = input.two();
      return `${signed64(seconds)}${fraction(nanos)}s`;
    },
    write(out, text) {
      const [, seconds, digits = ""] = /^(\d+)(?:\.(\d+))?s$/.exec(text) ?? [];
      if (seconds === undefined) throw new WireError(`${text} is not a duration`);
      out.two(Number(seconds), Number(digits.padEnd(9, "0").slice(0, 9)));
    },
  },
  "google.protobuf.Any": {
    read(input, inner, wire) {
      let type = "";
      let value = new Input(new Uint8Array());
      while (!input.ended()) {
        const tag = Number(input.varint());
        if (tag === 0x0a) type = input.text();
        else if (tag === 0x12) value = input.part();
        else input.skip(tag & 7);
      }
      const name = type.slice(type.lastIndexOf("/") + 1);
      const message = { "@type": type };
      if (wire.knows(name)) return inner(value, name, message);
      // What this contract does not know is kept as it came.
      message.value = toBase64(value.rest());
      return message;
    },
    write(out, { "@type": type, ...message }, wire) {
      out.text(1, type);
      out.delimited(2, wire.encode(type.slice(type.lastIndexOf("/") + 1), message));
    },
  },
};

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
