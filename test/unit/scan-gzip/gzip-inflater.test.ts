import { crc32, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { GzipModule, type Inflated } from "./gzip-module.ts";
import {
  pieces,
  randomFrom,
  randomPieces,
  samples,
  settings,
  shortSample,
} from "./gzip-samples.ts";

const gzip = await GzipModule.load();

const finished = (bytes: Buffer): Inflated => ({ failed: false, finished: true, bytes });
const unfinished = (bytes: Buffer): Inflated => ({ failed: false, finished: false, bytes });
const failed = (bytes: Buffer): Inflated => ({ failed: true, finished: false, bytes });
const inflate = (...parts: Uint8Array[]) => gzip.inflate(parts);

const isSame = (told: Inflated, expected: Inflated): boolean =>
  told.failed === expected.failed &&
  told.finished === expected.finished &&
  told.bytes.equals(expected.bytes);

/** Equality of long bytes without a long report. */
function expectSame(told: Inflated, expected: Inflated): void {
  const short = ({ bytes, ...state }: Inflated) => ({ ...state, length: bytes.length });
  expect(short(told)).toEqual(short(expected));
  expect(told.bytes.equals(expected.bytes)).toBe(true);
}

/** Expects the same however the bytes are cut in two, and one byte at a time. */
function expectAtEverySplit(bytes: Uint8Array, expected: Inflated): void {
  const wrongAt: number[] = [];
  for (let at = 0; at <= bytes.length; at++) {
    if (!isSame(inflate(bytes.subarray(0, at), bytes.subarray(at)), expected)) wrongAt.push(at);
  }
  expect(wrongAt).toEqual([]);
  expectSame(gzip.inflate(pieces(bytes, 1)), expected);
}

/** A gzip header with the fields that `flags` tell of (RFC 1952, section 2.3). */
function header(flags: number): Buffer {
  const parts = [Buffer.from([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 2, 255])];
  if (flags & 4) parts.push(Buffer.from([5, 0, 0x41, 0x70, 1, 0, 0]));
  if (flags & 8) parts.push(Buffer.from("answer.json\0", "latin1"));
  if (flags & 16) parts.push(Buffer.from("a comment\0", "latin1"));
  const bytes = Buffer.concat(parts);
  if ((flags & 2) === 0) return bytes;
  const sum = Buffer.alloc(2);
  sum.writeUInt16LE(crc32(bytes) & 0xffff);
  return Buffer.concat([bytes, sum]);
}

function trailer(bytes: Buffer): Buffer {
  const both = Buffer.alloc(8);
  both.writeUInt32LE(crc32(bytes), 0);
  both.writeUInt32LE(bytes.length, 4);
  return both;
}

function member(flags: number, bytes: Buffer): Buffer {
  return Buffer.concat([header(flags), deflateRawSync(bytes), trailer(bytes)]);
}

describe.each(settings)("deflated with %s", (_, options) => {
  test.each(samples)("%s", (name, bytes) => {
    const random = randomFrom(name.length);
    for (const deflated of [
      gzipSync(bytes, options),
      deflateSync(bytes, options),
      deflateRawSync(bytes, options),
    ]) {
      expectSame(inflate(deflated), finished(bytes));
      const smallest = bytes.length > 40_000 ? 40 : 1;
      expectSame(gzip.inflate(pieces(deflated, smallest)), finished(bytes));
      expectSame(gzip.inflate(randomPieces(deflated, 9 * smallest, random)), finished(bytes));
      expectSame(gzip.inflate(randomPieces(deflated, 4000, random)), finished(bytes));
    }
  });

  test("200 kB, one byte at a time", () => {
    const [, bytes] = samples.find(([name]) => name === "JSON-like, 200000 bytes")!;
    expectSame(gzip.inflate(pieces(gzipSync(bytes, options), 1)), finished(bytes));
  });

  test("cut at every byte", () => {
    expectAtEverySplit(gzipSync(shortSample, options), finished(shortSample));
    expectAtEverySplit(deflateSync(shortSample, options), finished(shortSample));
    expectAtEverySplit(deflateRawSync(shortSample, options), finished(shortSample));
  });
});

describe("gzip members", () => {
  test.each(Array.from({ length: 16 }, (_, i) => i * 2))("header flags %i", (flags) => {
    expectAtEverySplit(member(flags, shortSample), finished(shortSample));
  });

  test("an empty extra field, name and comment", () => {
    const start = [0x1f, 0x8b, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 3];
    const parts = [Buffer.from([...start, 0, 0, 0, 0]), deflateRawSync(shortSample)];
    expectAtEverySplit(Buffer.concat([...parts, trailer(shortSample)]), finished(shortSample));
  });

  test("the longest extra field and a long name", () => {
    const start = Buffer.from([0x1f, 0x8b, 8, 4 | 8, 0, 0, 0, 0, 0, 3, 0xff, 0xff]);
    const long = Buffer.concat([
      Buffer.alloc(65_535, 1),
      Buffer.alloc(300_000, 2),
      Buffer.alloc(1),
    ]);
    const rest = Buffer.concat([deflateRawSync(shortSample), trailer(shortSample)]);
    expectSame(inflate(start, long, rest), finished(shortSample));
  });

  test.each([0x20, 0x40, 0x80])("a reserved flag (%i) fails", (flag) => {
    expectSame(inflate(member(flag, shortSample)), failed(Buffer.alloc(0)));
  });

  test("another method than deflate fails", () => {
    const bytes = member(0, shortSample);
    bytes[2] = 7;
    expectSame(inflate(bytes), failed(Buffer.alloc(0)));
  });

  test("a wrong header checksum fails", () => {
    const bytes = member(2 | 8, shortSample);
    bytes[12]! ^= 1;
    expectAtEverySplit(bytes, failed(Buffer.alloc(0)));
  });

  test("several follow each other, with and without anything in them", () => {
    const texts = ["first", "", "second, second", shortSample.toString()].map((t) =>
      Buffer.from(t),
    );
    const bytes = Buffer.concat(texts.map((text, i) => member([0, 2, 30, 8][i]!, text)));
    expectAtEverySplit(bytes, finished(Buffer.concat(texts)));
  });

  test("finished is false again while a further member is read", () => {
    const bytes = Buffer.concat([member(0, shortSample), member(0, shortSample).subarray(0, 2)]);
    expectAtEverySplit(bytes.subarray(0, -2), finished(shortSample));
    expectAtEverySplit(bytes.subarray(0, -1), finished(shortSample));
    expectAtEverySplit(bytes, unfinished(shortSample));
  });

  test("a match does not reach into the member before", () => {
    // A fixed block: a literal, then a match of 3 bytes with distance 2.
    const reaching = Buffer.from([0x4b, 0x04, 0x42, 0x00]);
    const bytes = Buffer.concat([member(0, shortSample), header(0), reaching]);
    const expected = Buffer.concat([shortSample, Buffer.from("a")]);
    expectAtEverySplit(bytes, failed(expected));
  });
});
