import {
  constants,
  createGzip,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
  type ZlibOptions,
} from "node:zlib";
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

type Inflate = (bytes: Uint8Array, options?: ZlibOptions) => Buffer;
type Deflate = (bytes: Uint8Array, options?: ZlibOptions) => Buffer;

const MEGABYTE = 1 << 20;
const LIMIT_BYTES = 256 * MEGABYTE;
/** For each format. */
const MUTATIONS = 7000;

const gzip = await GzipModule.load();
const inflate = (...parts: Uint8Array[]) => gzip.inflate(parts);

const formats: [name: string, deflate: Deflate, inflate: Inflate, headerBytes: number][] = [
  ["gzip", gzipSync, gunzipSync, 10],
  ["zlib", deflateSync, inflateSync, 2],
  ["raw", deflateRawSync, inflateRawSync, 0],
];

/** What Node's zlib makes of it: how it ends, and where it ends well, the bytes. */
function byNode(inflateSync: Inflate, bytes: Uint8Array): [ending: string, bytes: Buffer | null] {
  try {
    return ["finished", inflateSync(bytes)];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return [code === "Z_BUF_ERROR" ? "unfinished" : "failed", null];
  }
}

const ending = (told: Inflated): string =>
  told.failed ? "failed" : told.finished ? "finished" : "unfinished";

const isSame = (one: Inflated, other: Inflated): boolean =>
  ending(one) === ending(other) && one.bytes.equals(other.bytes);

describe.each(formats)("%s", (_, deflate, inflateSync, headerBytes) => {
  test.each(settings)("cut off, it is unfinished: %s", (_, options) => {
    const deflated = deflate(shortSample, options);
    for (let length = 0; length < deflated.length; length++) {
      const cut = deflated.subarray(0, length);
      const told = inflate(cut);
      const some = { finishFlush: constants.Z_SYNC_FLUSH };
      const expected = length < 2 ? Buffer.alloc(0) : inflateSync(cut, some);
      expect([ending(told), told.bytes.toString()]).toEqual(["unfinished", expected.toString()]);
    }
  });

  test("what follows the end is ignored", () => {
    const deflated = deflate(shortSample);
    for (const rest of [[0], [0x1f], [0, 0, 0], [0x1f, 0x8a, 8], [0x78, 0x9c, 1], [1, 2, 3]]) {
      const told = gzip.inflate(pieces(Buffer.concat([deflated, Buffer.from(rest)]), 1));
      expect([ending(told), told.bytes.toString()]).toEqual(["finished", shortSample.toString()]);
    }
  });

  test(`${MUTATIONS} mutations end as they do with Node, with no more memory`, () => {
    const random = randomFrom(headerBytes + 1);
    const originals = samples
      .filter(([, bytes]) => bytes.length === 300)
      .flatMap(([, bytes]) => settings.map(([, options]) => deflate(bytes, options)));
    const memoryBytes = gzip.memoryBytes();
    const endings: Record<string, number> = { finished: 0, unfinished: 0, failed: 0 };
    const unexpected: number[] = [];
    for (let i = 0; i < MUTATIONS; i++) {
      const bytes = Buffer.from(originals[i % originals.length]!);
      // The first two bytes tell the format, which Node is told.
      for (let changes = 1 + random(3); changes > 0; changes--) {
        bytes[2 + random(bytes.length - 2)] = random(256);
      }
      const told = inflate(bytes);
      const [expected, inflated] = byNode(inflateSync, bytes);
      const isAsExpected =
        ending(told) === expected && (inflated === null || inflated.equals(told.bytes));
      if (!isAsExpected) unexpected.push(i);
      if (!isSame(gzip.inflate(randomPieces(bytes, 7, random)), told)) unexpected.push(i);
      endings[expected]!++;
    }
    expect(unexpected).toEqual([]);
    expect(Math.min(...Object.values(endings))).toBeGreaterThan(5);
    expect(gzip.memoryBytes()).toBe(memoryBytes);
  }, 60_000);
});

test("random bytes end as they do with Node", () => {
  const random = randomFrom(5);
  const unexpected: number[] = [];
  for (let i = 0; i < MUTATIONS; i++) {
    // The low three bits choose the kind of block; nothing here looks like zlib or gzip.
    const kind = [2, 3, 4, 5][i % 4]!;
    const bytes = Buffer.from(Array.from({ length: 120 }, () => random(256)));
    bytes[0] = (random(32) << 3) | kind;
    const told = inflate(bytes);
    if (ending(told) !== byNode(inflateRawSync, bytes)[0]) unexpected.push(i);
    if (!isSame(gzip.inflate(pieces(bytes, 1)), told)) unexpected.push(i);
  }
  expect(unexpected).toEqual([]);
});

describe("checksums and lengths", () => {
  const wrong = (bytes: Buffer, fromEnd: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy[copy.length - fromEnd]! ^= 0x80;
    return copy;
  };

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("gzip, byte %i from the end is wrong", (fromEnd) => {
    const told = inflate(wrong(gzipSync(shortSample), fromEnd));
    expect(told).toEqual({ failed: true, finished: false, bytes: shortSample });
  });

  test.each([1, 2, 3, 4])("zlib, byte %i from the end is wrong", (fromEnd) => {
    const told = inflate(wrong(deflateSync(shortSample), fromEnd));
    expect(told).toEqual({ failed: true, finished: false, bytes: shortSample });
  });

  test("a zlib stream with a preset dictionary fails", () => {
    const told = inflate(deflateSync(shortSample, { dictionary: Buffer.from("choices") }));
    expect(told).toEqual({ failed: true, finished: false, bytes: Buffer.alloc(0) });
  });

  test("once failed, it takes no more", () => {
    const bad = wrong(gzipSync(shortSample), 1);
    const told = inflate(bad, gzipSync(shortSample));
    expect(told).toEqual({ failed: true, finished: false, bytes: shortSample });
  });
});

describe("the limit", () => {
  const bytes = Buffer.concat(samples.map(([, sample]) => sample)).subarray(0, 150_000);

  test.each([0, 1, 32_767, 32_768, 32_769, 100_000, 149_999])("%i bytes", (limitBytes) => {
    for (const options of [{ level: 0 }, { level: 6 }]) {
      for (const size of [1000, 500_000]) {
        const told = gzip.inflate(pieces(gzipSync(bytes, options), size), limitBytes);
        expect([ending(told), told.bytes.length]).toEqual(["failed", limitBytes]);
        expect(told.bytes.equals(bytes.subarray(0, limitBytes))).toBe(true);
      }
    }
  });

  test("exactly what comes out", () => {
    const told = gzip.inflate([gzipSync(bytes)], bytes.length);
    expect([ending(told), told.bytes.equals(bytes)]).toEqual(["finished", true]);
  });

  test("counts all members together", () => {
    const member = gzipSync(bytes);
    const told = gzip.inflate([member, member], 200_000);
    expect([ending(told), told.bytes.length]).toEqual(["failed", 200_000]);
  });

  test("is 256 MiB in the filter, with no more memory for a bomb", async () => {
    const stream = createGzip({ level: 9 });
    const bomb: Buffer[] = [];
    stream.on("data", (piece: Buffer) => bomb.push(piece));
    const zeros = Buffer.alloc(MEGABYTE);
    for (let i = 0; i < 257; i++) stream.write(zeros);
    stream.end();
    await new Promise((resolve) => stream.on("end", resolve));
    inflate();
    const memoryBytes = gzip.memoryBytes();
    expect(gzip.count(bomb)).toEqual({ failed: true, finished: false, bytes: LIMIT_BYTES });
    expect(gzip.memoryBytes()).toBe(memoryBytes);
  });
});
