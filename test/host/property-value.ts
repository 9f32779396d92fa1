import { encodePairs } from "./pairs.ts";
import type { MetadataValue } from "./struct-proto.ts";

/**
 * A property as tests give it. Integers and bigints become int64, other numbers double, dates
 * timestamps (ns), objects maps. null cannot be serialised, as in Envoy.
 */
export type PropertyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | readonly PropertyValue[]
  | { readonly [key: string]: PropertyValue };

function int64(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigInt64LE(BigInt.asIntN(64, value));
  return out;
}

function float64(value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeDoubleLE(value);
  return out;
}

function encodeAll(
  entries: readonly (readonly [PropertyValue, PropertyValue])[],
  numbersAreDoubles: boolean,
): Buffer | undefined {
  const pairs: [Buffer, Buffer][] = [];
  for (const [key, value] of entries) {
    const name = serializeProperty(key, numbersAreDoubles);
    const content = serializeProperty(value, numbersAreDoubles);
    if (name === undefined || content === undefined) return undefined;
    pairs.push([name, content]);
  }
  // An empty map is a count of zero here; only the header map calls hand out no bytes for it.
  return pairs.length === 0 ? Buffer.alloc(4) : encodePairs(pairs);
}

/**
 * Envoy's serializeValue (source/extensions/common/wasm/context.cc). Numbers of dynamic metadata
 * are doubles always, since google.protobuf.Value has no integers.
 * Returns undefined for what Envoy answers with SerializationFailure.
 */
export function serializeProperty(
  value: PropertyValue | MetadataValue,
  numbersAreDoubles = false,
): Buffer | undefined {
  if (value === null) return undefined;
  if (typeof value === "string") return Buffer.from(value, "utf8");
  if (typeof value === "boolean") return Buffer.from([value ? 1 : 0]);
  if (typeof value === "bigint") return int64(value);
  if (typeof value === "number") {
    return numbersAreDoubles || !Number.isInteger(value) ? float64(value) : int64(BigInt(value));
  }
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (value instanceof Date) return int64(BigInt(value.getTime()) * 1_000_000n);
  if (Array.isArray(value)) {
    return encodeAll(
      value.map((item: PropertyValue) => [item, ""]),
      numbersAreDoubles,
    );
  }
  return encodeAll(Object.entries(value as Record<string, PropertyValue>), numbersAreDoubles);
}
