import { constants } from "node:zlib";

/** A generator of numbers below `limit`, the same for the same seed (xorshift32). */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** Events as an LLM API streams them, cut to `size` bytes. */
function jsonLike(size: number): Buffer {
  const random = randomFrom(size + 7);
  const events: string[] = [];
  for (let bytes = 0; bytes < size; bytes += events.at(-1)!.length) {
    const delta = `w${random(1000)} ${random(3) === 0 ? "é" : "token"}`;
    events.push(
      `data: {"id":"c-${events.length}","choices":[{"delta":{"content":"${delta}"}}]}\n\n`,
    );
  }
  return Buffer.from(events.join("")).subarray(0, size);
}

function randomBytes(size: number): Buffer {
  const random = randomFrom(size + 11);
  return Buffer.from(Array.from({ length: size }, () => random(256)));
}

/** Bytes of which some are rare, so that codes get as long as 15 bits. */
function skewed(size: number): Buffer {
  const random = randomFrom(size + 13);
  return Buffer.from(
    Array.from({ length: size }, () => Math.clz32(random(2 ** 31)) * 8 + random(2)),
  );
}

/** Repeats from 1 byte to over the window back. */
function repetitive(size: number): Buffer {
  const random = randomFrom(size + 17);
  const bytes = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const length = Math.min(1 + random(600), size - at);
    const period = [1, 2, 3, 7, 64, 257, 300, 5000, 32_767, 32_768][random(10)]!;
    for (const end = at + length; at < end; at++) {
      bytes[at] = at >= period ? bytes[at - period]! : random(256);
    }
  }
  return bytes;
}

const makers: [name: string, make: (size: number) => Buffer][] = [
  ["JSON-like", jsonLike],
  ["random", randomBytes],
  ["skewed", skewed],
  ["repetitive", repetitive],
  ["zeros", (size) => Buffer.alloc(size)],
];
const sizes = [0, 1, 2, 300, 32_767, 32_768, 32_769, 200_000];

/** What to deflate. */
export const samples: [name: string, bytes: Buffer][] = makers.flatMap(([name, make]) =>
  sizes.map((size): [string, Buffer] => [`${name}, ${size} bytes`, make(size)]),
);

/** A short one with literals, matches and several kinds of bytes. */
export const shortSample = jsonLike(400);

const levels = [0, 1, 6, 9].map((level): [string, object] => [`level ${level}`, { level }]);

/** How to deflate it. */
export const settings: [name: string, options: object][] = [
  ...levels,
  ["Huffman codes only", { strategy: constants.Z_HUFFMAN_ONLY }],
  ["fixed codes", { strategy: constants.Z_FIXED }],
  ["run lengths", { strategy: constants.Z_RLE }],
  ["little memory, many blocks", { memLevel: 1 }],
];

/** The bytes in pieces of `size`. */
export function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** The bytes in pieces of random sizes, up to `longest`, some of them empty. */
export function randomPieces(
  bytes: Uint8Array,
  longest: number,
  random: (limit: number) => number,
): Uint8Array[] {
  const cut: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += cut.at(-1)!.length) {
    cut.push(bytes.subarray(at, at + random(longest + 1)));
  }
  return cut;
}
