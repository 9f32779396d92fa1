import { utf8 } from "../abi/text";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "../settlement/captured";

/** Room for what most requests have, so that it seldom takes a second allocation. */
const ROOM_BYTES = 512;

/**
 * What the service is told of a request: attributes and LlmRequest of the contract, as JSON.
 *
 *   {"request.path":…}{"api":…,"choices":…,"body":…,"maxOutputTokens":99,"inputBytes":…}
 *   └─ attributes ───┘└─ llm
 *   └─ key: what requests of one lease have in common ─────────────────┘
 */
export class RequestFacts {
  bytes: Bytes = new Bytes(0, 0, ROOM_BYTES);
  attributesLength: i32 = 0;
  keyLength: i32 = 0;
  inputBytes: i64 = 0;
  /** -1: not told. */
  maxOutputTokens: i64 = -1;

  setAttributes(json: ByteWriter): void {
    this.bytes.set(json.ptr, json.length);
    this.attributesLength = json.length;
  }

  /** keyLength: how much of the LlmRequest belongs to the key. */
  setLlm(json: ByteWriter, keyLength: i32): void {
    this.bytes.length = this.attributesLength;
    this.bytes.append(json.ptr, json.length);
    this.keyLength = this.attributesLength + keyLength;
  }

  copyFrom(other: RequestFacts): void {
    this.bytes.set(other.bytes.ptr, other.bytes.length);
    this.attributesLength = other.attributesLength;
    this.keyLength = other.keyLength;
    this.inputBytes = other.inputBytes;
    this.maxOutputTokens = other.maxOutputTokens;
  }

  /** Writes the two members of an admit call or settlement, with a comma before. */
  write(out: ByteWriter): void {
    const llm = this.bytes.ptr + <usize>this.attributesLength;
    out.text(utf8(',"attributes":'));
    out.raw(this.bytes.ptr, this.attributesLength);
    out.text(utf8(',"llm":'));
    out.raw(llm, this.bytes.length - this.attributesLength);
  }

  isSameKey(other: RequestFacts): bool {
    const length = this.keyLength;
    return (
      length == other.keyLength &&
      this.attributesLength == other.attributesLength &&
      memory.compare(this.bytes.ptr, other.bytes.ptr, length) == 0
    );
  }

  /** Of the key, eight bytes at a time. */
  hashOfKey(): u64 {
    let p = this.bytes.ptr;
    const end = p + <usize>this.keyLength;
    let hash: u64 = 0xcbf29ce484222325;
    for (; p + 8 <= end; p += 8) hash = mixed(hash ^ load<u64>(p));
    for (; p < end; p++) hash = mixed(hash ^ <u64>load<u8>(p));
    return hash;
  }
}

function mixed(hash: u64): u64 {
  const product = hash * 0x9e3779b97f4a7c15;
  return product ^ (product >> 32);
}
