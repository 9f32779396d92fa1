import { WasmResult } from "./abi.ts";

export type BodyInput = string | Uint8Array;

export function toBytes(input: BodyInput): Buffer {
  return typeof input === "string" ? Buffer.from(input, "utf8") : Buffer.from(input);
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
