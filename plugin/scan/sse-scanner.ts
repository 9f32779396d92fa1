import { Ascii, isMarkByte } from "./ascii";
import { findEither } from "./byte-search";
import { JsonScanner } from "./json-scanner";
import { DataFeed } from "./sse-data";

/** What an SseScanner tells of an event stream. */
export abstract class SseSink {
  /**
   * A blank line ended a block of at least one byte: an event where `hadData`, else comments and
   * other fields only. `end` is the offset just after the blank line in the chunk being pushed.
   */
  abstract onEvent(end: i32): void;
  /**
   * The first byte of this chunk is the LF of a CRLF whose CR, at the end of the chunk before,
   * ended an event: it belongs to that event.
   */
  abstract onTrailingLf(): void;
  /** The event's data is exactly `[DONE]`; onEvent follows, except at the end of the stream. */
  abstract onDone(): void;
}

const enum State {
  /** Nothing has come but a byte order mark. */
  Fresh,
  LineStart,
  /** Within a field name whose first `matched` bytes are those of `data`. */
  Name,
  /** After the colon of a data field. */
  Colon,
  /** Within the value of a data field. */
  Data,
  /** Within a comment or any other field. */
  Other,
}

/** A CR ended the last chunk. */
const enum Pending {
  Nothing,
  /** An LF would belong to the line that the CR ended. */
  Line,
  /** The same, and that line ended an event. */
  Event,
}

const DATA_BYTES: i32 = 4;
/** `data`, first byte lowest. */
const DATA: u32 = 0x61746164;

/**
 * Splits an event stream (WHATWG HTML, section "Server-sent events") that comes in pieces of any
 * size, and passes the data of each event to a JsonScanner. In ABNF (RFC 5234):
 *
 *   stream      = [ bom ] *block [ *line rest ]
 *   block       = *line end-of-line              ; an event, when it has a data line
 *   line        = ( data / comment / field ) end-of-line
 *   data        = "data" [ ":" [ SP ] *any ]     ; values of one event are joined by LF
 *   comment     = ":" *any
 *   field       = 1*name [ ":" *any ]            ; event, id, retry: of no interest here
 *   end-of-line = CR LF / CR / LF
 *   name        = any byte but CR, LF and ":"
 *   any         = any byte but CR and LF
 *   rest        = *any
 */
export class SseScanner {
  /** True when the event that ends has a data line. */
  hadData: bool = false;
  private state: State = State.Fresh;
  private matched: i32 = 0;
  /** True when the block has a line that is not blank. */
  private begun: bool = false;
  private pending: Pending = Pending.Nothing;
  private data: DataFeed;

  constructor(
    json: JsonScanner,
    private sink: SseSink,
  ) {
    this.data = new DataFeed(json);
  }

  /** Forgets everything, in the JsonScanner too. */
  reset(): void {
    this.begin();
    this.data.reset();
  }

  /** Takes the next `len` bytes, at `ptr`. */
  push(ptr: usize, len: i32): void {
    if (len <= 0) return;
    const end = ptr + len;
    let p = ptr;
    const pending = this.pending;
    if (pending != Pending.Nothing) {
      this.pending = Pending.Nothing;
      if (load<u8>(p) == Ascii.Lf) {
        p++;
        if (pending == Pending.Event) this.sink.onTrailingLf();
      }
    }
    while (p < end) p = this.step(p, end, ptr);
  }

  /**
   * The stream ends here. An event without its blank line is none to a client (so no onEvent),
   * but what its data tells is complete.
   */
  end(): void {
    this.endLine();
    if (this.hadData && this.data.end()) this.sink.onDone();
    this.begin();
  }

  private begin(): void {
    this.state = State.Fresh;
    this.matched = 0;
    this.pending = Pending.Nothing;
    this.beginBlock();
  }

  private beginBlock(): void {
    this.begun = false;
    this.hadData = false;
  }

  /** Reads on from `p`, which is before `end`, and returns how far it came. */
  private step(p: usize, end: usize, chunk: usize): usize {
    switch (this.state) {
      case State.Fresh:
        if (isMarkByte(load<u8>(p))) return p + 1;
        this.state = State.LineStart;
        return p;
      case State.Data:
      case State.Other: {
        const stop = findEither(p, end, Ascii.Cr, Ascii.Lf);
        if (this.state == State.Data && stop > p) this.data.push(p, (stop - p) as i32);
        return stop == end ? end : this.readLineEnd(stop, end, chunk);
      }
      default: {
        const byte = load<u8>(p);
        if (byte == Ascii.Lf || byte == Ascii.Cr) return this.readLineEnd(p, end, chunk);
        return this.readName(p, byte);
      }
    }
  }

  /** Reads one byte where a line begins, in its name, or after the colon of a data field. */
  private readName(p: usize, byte: u8): usize {
    if (this.state == State.Colon) {
      this.state = State.Data;
      return byte == Ascii.Space ? p + 1 : p;
    }
    if (this.state == State.LineStart) {
      this.begun = true;
      this.matched = 0;
      this.state = State.Name;
    }
    if (this.matched == DATA_BYTES && byte == Ascii.Colon) {
      this.beginData();
      this.state = State.Colon;
    } else if (this.matched < DATA_BYTES && byte == ((DATA >> (this.matched << 3)) & 0xff)) {
      this.matched++;
    } else {
      this.state = State.Other;
    }
    return p + 1;
  }

  private beginData(): void {
    if (this.hadData) this.data.join();
    this.hadData = true;
  }

  /** Reads the CR, LF or both at `p`. */
  private readLineEnd(p: usize, end: usize, chunk: usize): usize {
    const isCr = load<u8>(p++) == Ascii.Cr;
    const isCut = isCr && p == end;
    if (isCr && !isCut && load<u8>(p) == Ascii.Lf) p++;
    if (isCut) this.pending = Pending.Line;
    const isBlank = this.state == State.LineStart;
    this.endLine();
    if (isBlank && this.begun) {
      if (isCut) this.pending = Pending.Event;
      if (this.hadData && this.data.end()) this.sink.onDone();
      this.sink.onEvent((p - chunk) as i32);
      this.beginBlock();
    }
    return p;
  }

  /** The line ends; `data` alone is a data field with nothing in it. */
  private endLine(): void {
    if (this.state == State.Name && this.matched == DATA_BYTES) this.beginData();
    this.state = State.LineStart;
  }
}
