import { PointerNode } from "./pointer-node";
import { MAX_SEGMENTS } from "./pointer-set";

/** A longer value is not captured. */
export const CAPTURE_LIMIT_BYTES: i32 = 16384;
const FIRST_BUFFER_BYTES: i32 = 256;
/** A larger buffer is not kept over release(). */
const KEPT_BUFFER_BYTES: i32 = 1024;
const SLOTS: i32 = MAX_SEGMENTS + 1;

/**
 * The values being captured: outermost first, each within the one before. Bytes are copied only
 * where a value goes on beyond the chunk it began in:
 *
 *     stream    ──────┬──────────── chunk ───────────┬──────
 *     buffer    [start│of the outermost value … )    │        save() adds the rest of the chunk
 *     value        ^──┼──────────^ locate() adds as much of the chunk as the value needs
 *     value           │     ^────────^ within the chunk: not copied
 *
 * Offsets count from the stream's start and may wrap around; only differences are used.
 */
export class CaptureStack {
  count: i32 = 0;
  private nodes: StaticArray<PointerNode | null> = new StaticArray<PointerNode | null>(SLOTS);
  private starts: StaticArray<i32> = new StaticArray<i32>(SLOTS);
  private depths: StaticArray<i32> = new StaticArray<i32>(SLOTS);
  /** How many of the outermost values are over the limit, and no longer kept. */
  private oversized: i32 = 0;
  /** Managed memory, so that it goes with a scanner that is let go in the middle of a value. */
  private buffer: StaticArray<u8> | null = null;
  private capacity: i32 = 0;
  private length: i32 = 0;
  private bufferStart: i32 = 0;

  /** Begins a value at offset `start`, within `depth` containers. */
  open(node: PointerNode, depth: i32, start: i32): void {
    const slot = this.count++;
    unchecked((this.nodes[slot] = node));
    unchecked((this.starts[slot] = start));
    unchecked((this.depths[slot] = depth));
  }

  /** Depth of the innermost value, -1 where none is open. */
  depth(): i32 {
    const count = this.count;
    return count == 0 ? -1 : unchecked(this.depths[count - 1]);
  }

  node(): PointerNode {
    return unchecked(this.nodes[this.count - 1])!;
  }

  start(): i32 {
    return unchecked(this.starts[this.count - 1]);
  }

  /**
   * Where the innermost value is, when it ends at offset `end` within the chunk at `chunk`, which
   * begins at offset `base`; 0 where it is over the limit.
   */
  locate(chunk: usize, base: i32, end: i32): usize {
    const start = this.start();
    if (start - base >= 0) {
      return end - start > CAPTURE_LIMIT_BYTES ? 0 : chunk + (start - base);
    }
    this.save(chunk, base, end);
    return this.oversized == this.count ? 0 : this.at(start - this.bufferStart);
  }

  /** The innermost value has ended. */
  close(): void {
    const count = --this.count;
    if (this.oversized > count) this.oversized = count;
    if (count == 0) this.length = 0;
  }

  /** Keeps what the open values have of the chunk, up to offset `end`. */
  save(chunk: usize, base: i32, end: i32): void {
    let first = this.oversized;
    while (first < this.count) {
      const length = (end - unchecked(this.starts[first])) as u32;
      if (length <= (CAPTURE_LIMIT_BYTES as u32)) break;
      first++;
    }
    this.oversized = first;
    if (first == this.count) {
      this.length = 0;
      return;
    }
    this.dropBefore(unchecked(this.starts[first]));
    const kept = this.bufferStart + this.length;
    const more = end - kept;
    if (more <= 0) return;
    this.reserve(this.length + more);
    memory.copy(this.at(this.length), chunk + (kept - base), more);
    this.length += more;
  }

  /** Forgets all open values. */
  clear(): void {
    this.count = 0;
    this.oversized = 0;
    this.length = 0;
  }

  /** Forgets all open values, and the buffer where it grew over 1 KiB. */
  release(): void {
    this.clear();
    if (this.capacity <= KEPT_BUFFER_BYTES) return;
    this.buffer = null;
    this.capacity = 0;
  }

  private at(index: i32): usize {
    return changetype<usize>(this.buffer) + index;
  }

  private dropBefore(start: i32): void {
    const dropped = start - this.bufferStart;
    if (this.length != 0 && dropped < this.length) {
      if (dropped == 0) return;
      this.length -= dropped;
      memory.copy(this.at(0), this.at(dropped), this.length);
    } else {
      this.length = 0;
    }
    this.bufferStart = start;
  }

  private reserve(bytes: i32): void {
    if (bytes <= this.capacity) return;
    let capacity = max(this.capacity, FIRST_BUFFER_BYTES);
    while (capacity < bytes) capacity <<= 1;
    const buffer = new StaticArray<u8>(capacity);
    memory.copy(changetype<usize>(buffer), this.at(0), this.length);
    this.buffer = buffer;
    this.capacity = capacity;
  }
}
