/** Randomness that is the same for the same seed on every machine. */

/** A whole number from 0 to below `below`. */
export type Random = (below: number) => number;

/** mulberry32, seeded with a 32-bit number. */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The seed of one input: each can be made again without those before it. FNV-1a. */
export function inputSeed(seed: number, corpus: string, index: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${seed}/${corpus}/${index}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash;
}

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)] as T;
}

/** True once in `times`. */
export function once(random: Random, times: number): boolean {
  return random(times) === 0;
}

export function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random(256)));
}

/** The bytes in pieces: whole, a byte each, or of random sizes. */
export function inPieces(random: Random, bytes: Buffer): Buffer[] {
  const way = random(4);
  if (way === 0) return [bytes];
  const most = way === 1 && bytes.length < 400 ? 1 : 1 + random(way === 2 ? 40 : 4000);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + 1 + random(most));
    pieces.push(bytes.subarray(at, next));
    at = next;
  }
  return pieces;
}
