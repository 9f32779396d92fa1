/** Messages of an AWS event stream, written independently of the scanner. */
import { crc32 } from "node:zlib";

const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;
const STRING = 7;

/** A header whose value is a string. */
export function header(name: string, value: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(value));
  return Buffer.concat([rawHeader(name, STRING, length), Buffer.from(value)]);
}

/** A header with a value of any type, given as its bytes. */
export function rawHeader(name: string, type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([type]), value]);
}

/** A message. */
export function frame(payload: string, ...headers: Buffer[]): Buffer {
  const head = Buffer.concat(headers);
  const body = Buffer.concat([head, Buffer.from(payload)]);
  const prelude = preludeOf(PRELUDE_BYTES + body.length + CHECKSUM_BYTES, head.length);
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt32BE(crc32(Buffer.concat([prelude, body])));
  return Buffer.concat([prelude, body, checksum]);
}

/** A prelude with a good checksum, whatever the lengths are. */
export function preludeOf(totalBytes: number, headerBytes: number): Buffer {
  const prelude = Buffer.alloc(PRELUDE_BYTES);
  prelude.writeUInt32BE(totalBytes);
  prelude.writeUInt32BE(headerBytes, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  return prelude;
}

/** The message with one bit of byte `at` (from the end where negative) turned. */
export function damaged(message: Buffer, at: number): Buffer {
  const copy = Buffer.from(message);
  const index = at < 0 ? copy.length + at : at;
  copy.writeUInt8(copy.readUInt8(index) ^ 1, index);
  return copy;
}
