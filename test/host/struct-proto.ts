/**
 * The protobuf encoding of envoy.config.core.v3.Metadata, which Envoy hands out for the property
 * `metadata`: field 1 is map<string, google.protobuf.Struct> filter_metadata.
 * Wire format: https://protobuf.dev/programming-guides/encoding/ (key = field << 3 | type).
 */

export type MetadataValue =
  | null
  | boolean
  | number
  | string
  | readonly MetadataValue[]
  | { readonly [key: string]: MetadataValue };

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
  return Buffer.from(out);
}

function delimited(field: number, content: Buffer): Buffer {
  const key = varint((field << 3) | LENGTH_DELIMITED);
  return Buffer.concat([key, varint(content.length), content]);
}

function double(field: number, value: number): Buffer {
  const out = Buffer.alloc(9);
  out[0] = (field << 3) | FIXED64;
  out.writeDoubleLE(value, 1);
  return out;
}

function mapEntry(key: string, value: Buffer): Buffer {
  return delimited(1, Buffer.concat([delimited(1, Buffer.from(key)), delimited(2, value)]));
}

/** google.protobuf.Value: null_value 1, number 2, string 3, bool 4, struct 5, list 6. */
function encodeValue(value: MetadataValue): Buffer {
  if (value === null) return Buffer.from([(1 << 3) | VARINT, 0]);
  if (typeof value === "number") return double(2, value);
  if (typeof value === "string") return delimited(3, Buffer.from(value));
  if (typeof value === "boolean") return Buffer.from([(4 << 3) | VARINT, value ? 1 : 0]);
  if (Array.isArray(value)) {
    return delimited(6, Buffer.concat(value.map((item) => delimited(1, encodeValue(item)))));
  }
  return delimited(5, encodeStruct(value as { readonly [key: string]: MetadataValue }));
}

function encodeStruct(fields: { readonly [key: string]: MetadataValue }): Buffer {
  return Buffer.concat(
    Object.entries(fields).map(([key, value]) => mapEntry(key, encodeValue(value))),
  );
}

/** Encodes dynamic metadata, `{namespace: {…}}`, as the message that Envoy hands out. */
export function encodeMetadata(namespaces: {
  readonly [namespace: string]: { readonly [key: string]: MetadataValue };
}): Buffer {
  return Buffer.concat(
    Object.entries(namespaces).map(([name, struct]) => mapEntry(name, encodeStruct(struct))),
  );
}
