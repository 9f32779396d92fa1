import { WasmResult } from "./abi.ts";

export type BodyInput = string | Uint8Array;

/** Bytes that nobody changes: they are not copied. */
export function toBytes(input: BodyInput): Buffer {
  if (typeof input === "string") return Buffer.from(input, "utf8");
  return Buffer.from(input.buffer, input.byteOffset, input.byteLength);
}

/** A body buffer of Envoy, with the rule by which a filter may change it. */
export class BodyBuffer {
  private parts: Buffer[];
  private bytes = 0;

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.parts = [content];
    this.bytes = content.length;
  }

  get length(): number {
    return this.bytes;
  }

  append(more: Buffer): void {
    this.parts.push(more);
    this.bytes += more.length;
  }

  /** All bytes. The buffer keeps them. */
  peek(): Buffer {
    if (this.parts.length !== 1) this.parts = [Buffer.concat(this.parts)];
    return this.parts[0] as Buffer;
  }

  /** The bytes in [from, to); what lies before and after is not touched. */
  read(from: number, to: number): Buffer {
    const pieces: Buffer[] = [];
    // From the end, where a filter that takes what has come since reads.
    let end = this.bytes;
    for (let i = this.parts.length - 1; i >= 0 && end > from; i--) {
      const part = this.parts[i] as Buffer;
      const start = end - part.length;
      if (start < to) pieces.unshift(part.subarray(Math.max(0, from - start), to - start));
      end = start;
    }
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  }

  /** All bytes. The buffer is empty afterwards. */
  take(): Buffer {
    const content = this.peek();
    this.parts = [];
    this.bytes = 0;
    return content;
  }

  /**
   * proxy_set_buffer_bytes, by Envoy's Wasm Buffer::copyFrom: from 0 the first `length` bytes are
   * drained and the new ones put in front; at or after the end they are appended; in the middle
   * nothing can be changed.
   */
  set(start: number, length: number, content: Buffer): number {
    if (start === 0) {
      const rest = this.peek().subarray(Math.min(length, this.bytes));
      this.parts = [Buffer.concat([content, rest])];
      this.bytes = content.length + rest.length;
      return WasmResult.Ok;
    }
    if (start < this.bytes) return WasmResult.BadArgument;
    this.append(content);
    return WasmResult.Ok;
  }
}
