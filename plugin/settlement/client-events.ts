import { Cut } from "../admission/answer";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "./captured";

/** An event that is longer than this while it arrives is let go, whatever it may be. */
const MAX_HELD_BYTES = 16 * 1024;
/** "data: {" */
const SHORTEST_PREFIX = 7;

/** Of all streams: what goes to the client instead of the bytes of the callback under way. */
export const out = new ByteWriter();

/**
 * Chooses what of an SSE stream the client gets: the usage chunk, which the filter asked for and
 * the client did not, is taken out; and where output may come to an end early, the stream ends
 * with the last event that fits. Complete events pass at once. Of an event that is still arriving
 * just the bytes are held that could be the beginning of a usage chunk, or all where it may be cut.
 *
 *   slice:  …end of event A │ event B │ beginning of event C
 *            sent            sent or dropped   held, until it is known what becomes of it
 */
export class ClientEvents {
  /** Does `out` differ from what came in? */
  changed: bool = false;
  /** The stream was ended early: nothing that comes goes to the client. */
  isCut: bool = false;

  private held: Bytes = new Bytes(0, 0);
  private slice: usize = 0;
  private sliceLength: i32 = 0;
  private eventStart: i32 = 0;
  private released: bool = false;
  private lastDropped: bool = false;

  constructor(
    private removesUsage: bool,
    private cut: Cut | null,
  ) {}

  /** Starts on the bytes of a new callback. */
  beginCallback(): void {
    out.reset();
    this.changed = this.isCut || this.held.length > 0;
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

  /**
   * An event is complete; `end` is the offset after it in this slice. outputBytes: of all output
   * text up to here.
   */
  endEvent(end: i32, isUsageChunk: bool, outputBytes: i64): void {
    const cut = this.cut;
    const isOver = cut !== null && outputBytes > cut.afterOutputBytes;
    // What was let go in part has to be let go whole.
    const drop = this.isCut || (!this.released && (isOver || (isUsageChunk && this.removesUsage)));
    if (drop) {
      this.changed = true;
    } else {
      out.raw(this.held.ptr, this.held.length);
      out.raw(this.slice + <usize>this.eventStart, end - this.eventStart);
    }
    if (isOver && !this.isCut) this.close();
    this.held.length = 0;
    this.eventStart = end;
    this.released = false;
    this.lastDropped = drop || this.isCut;
  }

  private close(): void {
    const closing = (this.cut as Cut).closing;
    out.raw(closing.ptr, closing.length);
    this.isCut = true;
    this.changed = true;
  }

  /** The slice is over. isOther: it is no SSE; isNone: the event arriving is no usage chunk. */
  endSlice(isOther: bool, isNone: bool): void {
    const rest = this.sliceLength - this.eventStart;
    if (rest <= 0) return;
    if (this.isCut) {
      this.changed = true;
      return;
    }
    const bytes = this.slice + <usize>this.eventStart;
    this.held.append(bytes, rest);
    const isHeld =
      !this.released &&
      !isOther &&
      this.held.length <= MAX_HELD_BYTES &&
      (this.cut !== null || (!isNone && this.couldBeUsageChunk()));
    if (isHeld) {
      this.changed = true;
    } else {
      this.released = true;
      this.flush();
    }
  }

  /** The stream is over: what is held goes out, unless it is a usage chunk but for its end. */
  end(isUsageChunk: bool): void {
    if (isUsageChunk && this.removesUsage) this.held.length = 0;
    else this.flush();
  }

  private flush(): void {
    out.raw(this.held.ptr, this.held.length);
    this.held.length = 0;
  }

  private couldBeUsageChunk(): bool {
    if (this.held.length < SHORTEST_PREFIX) return true;
    const ptr = this.held.ptr;
    const isData = load<u32>(ptr) == 0x61746164 && load<u8>(ptr, 4) == 0x3a;
    if (!isData) return true;
    const first = load<u8>(ptr, 5) == 0x20 ? load<u8>(ptr, 6) : load<u8>(ptr, 5);
    return first == 0x7b || first == 0x20 || first == 0x0a || first == 0x0d;
  }
}
