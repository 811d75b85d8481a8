// The bytes of protobuf messages, field by field.
//
// Numbers are JavaScript's own wherever those are exact, and big ones otherwise: nearly all that
// comes is small, and big numbers would make reading ten times as slow.

/** Bits of a tag that say how the value is written. */
export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
export const FIXED32 = 5;

/** Texts up to this many bytes are put together here, which is faster than a decoder's start. */
const SHORT_TEXT = 64;

/** Bits of a number that are exact as JavaScript's own. */
const EXACT_BITS = 53;

const TEXT = new TextEncoder();
const READ_TEXT = new TextDecoder("utf-8", { fatal: true });

/** What cannot be read or written. */
export class WireError extends Error {}

/** Bytes that are read from the front. */
export class Input {
  #bytes;
  #at;
  #end;

  constructor(bytes, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  ended() {
    return this.#at >= this.#end;
  }

  /** A number of up to ten bytes: JavaScript's own, or a big one where that is not exact. */
  varint() {
    let value = 0;
    let power = 1;
    for (let bits = 0; bits + 7 <= EXACT_BITS; bits += 7) {
      const byte = this.#next();
      value += (byte & 0x7f) * power;
      if (byte < 0x80) return value;
      power *= 128;
    }
    let large = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#next();
      large |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      large = BigInt.asUintN(64, large);
      return large <= Number.MAX_SAFE_INTEGER ? Number(large) : large;
    }
    throw new WireError("a number is longer than ten bytes");
  }

  /** The bytes of a field that begins with its length. */
  take() {
    const from = this.#skipped(Number(this.varint()));
    return this.#bytes.subarray(from, this.#at);
  }

  /** The same, to be read on. */
  part() {
    const from = this.#skipped(Number(this.varint()));
    return new Input(this.#bytes, from, this.#at);
  }

  /** What is left. */
  rest() {
    return this.#bytes.subarray(this.#at, this.#end);
  }

  text() {
    const from = this.#skipped(Number(this.varint()));
    if (this.#at - from <= SHORT_TEXT) {
      let text = "";
      let at = from;
      for (; at < this.#at && this.#bytes[at] < 0x80; at++)
        text += String.fromCharCode(this.#bytes[at]);
      if (at === this.#at) return text;
    }
    return READ_TEXT.decode(this.#bytes.subarray(from, this.#at));
  }

  double() {
    const from = this.#skipped(8);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + from, 8).getFloat64(0, true);
  }

  /** The fields 1 and 2 of a message that has only numbers. */
  two() {
    const found = [0, 0];
    while (!this.ended()) {
      const tag = Number(this.varint());
      if (tag === 8) found[0] = this.varint();
      else if (tag === 16) found[1] = Number(this.varint());
      else this.skip(tag & 7);
    }
    return found;
  }

  skip(way) {
    if (way === VARINT) this.varint();
    else if (way === FIXED64) this.#skipped(8);
    else if (way === DELIMITED) this.#skipped(Number(this.varint()));
    else if (way === FIXED32) this.#skipped(4);
    else throw new WireError(`there is no way of writing ${way}`);
  }

  #next() {
    if (this.#at >= this.#end) throw new WireError("the message ends inside a number");
    return this.#bytes[this.#at++];
  }

  /** Goes on behind so many bytes; where they begin. */
  #skipped(length) {
    const from = this.#at;
    if (length > this.#end - from) throw new WireError("the message ends inside a field");
    this.#at = from + length;
    return from;
  }
}

/** Bytes that are written at the end. */
export class Output {
  #parts = [];
  #length = 0;

  tag(number, way) {
    this.varint(number * 8 + way);
  }

  /** A number; a negative one takes ten bytes. */
  varint(value) {
    let rest = BigInt.asUintN(64, BigInt(value));
    const bytes = [];
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.#add(Uint8Array.from(bytes));
  }

  delimited(number, bytes) {
    this.tag(number, DELIMITED);
    this.varint(bytes.length);
    this.#add(bytes);
  }

  text(number, value) {
    this.delimited(number, TEXT.encode(value));
  }

  double(number, value) {
    this.tag(number, FIXED64);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.#add(bytes);
  }

  /** The fields 1 and 2 of a message that has only numbers. */
  two(first, second) {
    for (const [number, value] of [
      [1, first],
      [2, second],
    ]) {
      if (value === 0) continue;
      this.tag(number, VARINT);
      this.varint(value);
    }
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

  #add(bytes) {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}
