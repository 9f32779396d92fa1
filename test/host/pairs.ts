/**
 * The ABI's layout of a list of pairs, all numbers little endian:
 *
 *   u32 count | count × (u32 name length, u32 value length) | count × (name 0x00 value 0x00)
 */

/** Lays pairs out; an empty list is no bytes at all, as proxy-wasm-cpp-host gives it. */
export function encodePairs(pairs: readonly (readonly [Uint8Array, Uint8Array])[]): Buffer {
  if (pairs.length === 0) return Buffer.alloc(0);
  let size = 4 + 8 * pairs.length;
  for (const [name, value] of pairs) size += name.length + value.length + 2;
  const out = Buffer.alloc(size);
  out.writeUInt32LE(pairs.length, 0);
  let at = 4 + 8 * pairs.length;
  for (const [i, [name, value]] of pairs.entries()) {
    out.writeUInt32LE(name.length, 4 + 8 * i);
    out.writeUInt32LE(value.length, 8 + 8 * i);
    out.set(name, at);
    at += name.length + 1;
    out.set(value, at);
    at += value.length + 1;
  }
  return out;
}

/** Reads pairs; undefined where the layout is broken. */
export function decodePairs(bytes: Buffer): [name: string, value: string][] | undefined {
  if (bytes.length < 4) return [];
  const count = bytes.readUInt32LE(0);
  let at = 4 + 8 * count;
  if (at > bytes.length) return undefined;
  const pairs: [string, string][] = [];
  for (let i = 0; i < count; i++) {
    const nameLength = bytes.readUInt32LE(4 + 8 * i);
    const valueLength = bytes.readUInt32LE(8 + 8 * i);
    const valueAt = at + nameLength + 1;
    const end = valueAt + valueLength + 1;
    if (end > bytes.length) return undefined;
    pairs.push([
      bytes.toString("utf8", at, at + nameLength),
      bytes.toString("utf8", valueAt, valueAt + valueLength),
    ]);
    at = end;
  }
  return pairs;
}
