import { ByteWriter } from "../scan/json-write";
import { Bytes } from "./captured";

/** A usage chunk is a few hundred bytes; what is longer is something else and is let go. */
const MAX_HELD_BYTES = 16 * 1024;
/** "data: {" */
const SHORTEST_PREFIX = 7;

/** Of all removers: what goes to the client instead of the bytes of the callback under way. */
export const out = new ByteWriter();

/**
 * Takes the usage chunk, which the filter asked for and the client did not, out of an SSE stream.
 * Complete events pass at once. Of an event that is still arriving just the bytes are held that
 * could be the beginning of a usage chunk.
 *
 *   slice:  …end of event A │ event B │ beginning of event C
 *            sent            sent or dropped   held, until it cannot be a usage chunk
 */
export class UsageChunkRemover {
  /** Does `out` differ from what came in? */
  changed: bool = false;

  private held: Bytes = new Bytes(0, 0);
  private slice: usize = 0;
  private sliceLength: i32 = 0;
  private eventStart: i32 = 0;
  private released: bool = false;
  private lastDropped: bool = false;

  /** Starts on the bytes of a new callback. */
  beginCallback(): void {
    out.reset();
    this.changed = this.held.length > 0;
  }

  beginSlice(ptr: usize, length: i32): void {
    this.slice = ptr;
    this.sliceLength = length;
    this.eventStart = 0;
  }

  /** The slice begins with the LF of a CRLF that ended the event before. */
  trailingLf(): void {
    if (this.lastDropped) this.changed = true;
    else out.raw(this.slice, 1);
    this.eventStart = 1;
  }

  /** An event is complete; `end` is the offset after it in this slice. */
  endEvent(end: i32, isUsageChunk: bool): void {
    const drop = isUsageChunk && !this.released;
    if (drop) {
      this.changed = true;
    } else {
      out.raw(this.held.ptr, this.held.length);
      out.raw(this.slice + <usize>this.eventStart, end - this.eventStart);
    }
    this.held.length = 0;
    this.eventStart = end;
    this.released = false;
    this.lastDropped = drop;
  }

  /** The slice is over; `decided`: the event that is arriving is known to be no usage chunk. */
  endSlice(decided: bool): void {
    const rest = this.sliceLength - this.eventStart;
    if (rest <= 0) return;
    const bytes = this.slice + <usize>this.eventStart;
    this.held.append(bytes, rest);
    if (this.released || decided || !this.couldBeUsageChunk()) {
      this.released = true;
      this.flush();
    } else {
      this.changed = true;
    }
  }

  /** The stream is over: what is held goes out. */
  flush(): void {
    out.raw(this.held.ptr, this.held.length);
    this.held.length = 0;
  }

  private couldBeUsageChunk(): bool {
    const length = this.held.length;
    if (length > MAX_HELD_BYTES) return false;
    if (length < SHORTEST_PREFIX) return true;
    const ptr = this.held.ptr;
    const isData = load<u32>(ptr) == 0x61746164 && load<u8>(ptr, 4) == 0x3a;
    if (!isData) return true;
    const first = load<u8>(ptr, 5) == 0x20 ? load<u8>(ptr, 6) : load<u8>(ptr, 5);
    return first == 0x7b || first == 0x20 || first == 0x0a || first == 0x0d;
  }
}
