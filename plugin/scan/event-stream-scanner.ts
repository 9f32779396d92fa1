import { crc32 } from "./crc32";
import { JsonScanner } from "./json-scanner";

/** What an EventStreamScanner tells of a stream. */
export abstract class EventStreamSink {
  /**
   * A message ended. Not `valid`: its checksum is wrong, or it is cut off, or what came is no
   * message and the scanner takes no more; what its payload told cannot be relied on.
   */
  abstract onFrame(valid: bool): void;
}

const enum State {
  Prelude,
  Headers,
  Payload,
  Checksum,
  Failed,
}

const PRELUDE_BYTES: i32 = 12;
const CHECKSUM_BYTES: i32 = 4;
const LEAST_BYTES: u32 = 16;
/** A message says that it is longer: it is none. */
const MOST_BYTES: u32 = 16 << 20;

/**
 * Splits an AWS event stream (application/vnd.amazon.eventstream) that comes in pieces of any
 * size, and passes each payload to a JsonScanner. Numbers are big-endian:
 *
 *   | total length 4 | headers length 4 | prelude CRC 4 | headers | payload | message CRC 4 |
 *   |<------- prelude CRC is of these ->|
 *   |<------- message CRC is of these ---------------------------------->|
 *
 * Headers are passed over: what they tell of a message, or of an error, its payload tells, too.
 */
export class EventStreamScanner {
  private state: State = State.Prelude;
  /** Bytes of this part of the message that are still to come. */
  private left: i32 = PRELUDE_BYTES;
  private payloadBytes: i32 = 0;
  /** Of all bytes of the message so far. */
  private crc: u32 = 0;
  /** The prelude's three numbers, as they come. */
  private totalBytes: u32 = 0;
  private headerBytes: u32 = 0;
  /** The last four bytes. */
  private word: u32 = 0;
  private preludeCrc: u32 = 0;

  constructor(
    private json: JsonScanner,
    private sink: EventStreamSink,
  ) {}

  /** Forgets everything, in the JsonScanner too. */
  reset(): void {
    this.beginMessage();
    this.json.reset();
  }

  /** Takes the next `len` bytes, at `ptr`. */
  push(ptr: usize, len: i32): void {
    const end = ptr + len;
    while (ptr < end && this.state != State.Failed) {
      const size = min<i32>(this.left, (end - ptr) as i32);
      this.left -= size;
      this.take(ptr, size);
      ptr += size;
      if (this.left == 0) this.endPart();
    }
  }

  /** The stream ends here; a message that is cut off is not valid. */
  end(): void {
    const isCut = this.state != State.Failed && !this.atStart();
    this.json.end();
    if (isCut) this.sink.onFrame(false);
    this.beginMessage();
  }

  private atStart(): bool {
    return this.state == State.Prelude && this.left == PRELUDE_BYTES;
  }

  private beginMessage(): void {
    this.state = State.Prelude;
    this.left = PRELUDE_BYTES;
    this.crc = 0;
  }

  private take(ptr: usize, len: i32): void {
    switch (this.state) {
      case State.Prelude:
        this.takePrelude(ptr, len);
        break;
      case State.Headers:
        this.crc = crc32(this.crc, ptr, len);
        break;
      case State.Payload:
        this.json.push(ptr, len);
        this.crc = crc32(this.crc, ptr, len);
        break;
      default:
        this.takeWord(ptr, len);
    }
  }

  private takeWord(ptr: usize, len: i32): void {
    for (let i = 0; i < len; i++) this.word = (this.word << 8) | load<u8>(ptr + i);
  }

  private takePrelude(ptr: usize, len: i32): void {
    let taken = PRELUDE_BYTES - this.left - len;
    for (let i = 0; i < len; i++) {
      this.takeWord(ptr + i, 1);
      this.crc = crc32(this.crc, ptr + i, 1);
      taken++;
      if (taken == 4) this.totalBytes = this.word;
      if (taken != 8) continue;
      this.headerBytes = this.word;
      this.preludeCrc = this.crc;
    }
  }

  /** A part of the message is complete; parts without bytes are passed over. */
  private endPart(): void {
    if (this.state == State.Prelude) {
      if (!this.isPrelude()) {
        this.state = State.Failed;
        this.sink.onFrame(false);
        return;
      }
      this.payloadBytes = (this.totalBytes - this.headerBytes - LEAST_BYTES) as i32;
      this.beginPart(State.Headers, this.headerBytes as i32);
    }
    if (this.state == State.Headers && this.left == 0) {
      this.beginPart(State.Payload, this.payloadBytes);
    }
    if (this.state == State.Payload && this.left == 0) {
      this.beginPart(State.Checksum, CHECKSUM_BYTES);
    }
    if (this.state == State.Checksum && this.left == 0) this.endMessage();
  }

  private beginPart(state: State, bytes: i32): void {
    this.state = state;
    this.left = bytes;
  }

  private isPrelude(): bool {
    const total = this.totalBytes;
    if (total < LEAST_BYTES || total > MOST_BYTES) return false;
    return this.headerBytes <= total - LEAST_BYTES && this.word == this.preludeCrc;
  }

  private endMessage(): void {
    const valid = this.word == this.crc;
    this.json.end();
    this.beginMessage();
    this.sink.onFrame(valid);
  }
}
