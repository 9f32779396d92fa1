import { bytesOf, lengthOf, utf8 } from "../abi/text";

const EXCEPTION = utf8(":exception-type");
const ERROR = utf8(":error-code");

/** What the next byte of a header block is. */
const enum State {
  NameLength,
  Name,
  Type,
  /** The two bytes of a value's length, high byte first. */
  LengthHigh,
  LengthLow,
  Value,
  /** The block cannot be read on. */
  Lost,
}

/** Bytes of a value by its type, -1 where a length of two bytes comes first. */
function valueBytes(type: u8): i32 {
  switch (type) {
    case 0: // true
    case 1: // false
      return 0;
    case 2: // byte
      return 1;
    case 3: // short
      return 2;
    case 4: // integer
      return 4;
    case 5: // long
    case 8: // timestamp
      return 8;
    case 9: // UUID
      return 16;
    default: // 6 bytes, 7 string
      return -1;
  }
}

/** Reads the names in a header block of an AWS event stream, to tell whether it is an exception. */
export class EventStreamHeaders {
  /** True once a header came that only exceptions and errors have. */
  isException: bool = false;
  private state: State = State.NameLength;
  /** Bytes of the name or value that are still to come. */
  private left: i32 = 0;
  private nameLength: i32 = 0;
  private couldBeException: bool = false;
  private couldBeError: bool = false;

  /** Begins the block of another message. */
  begin(): void {
    this.isException = false;
    this.state = State.NameLength;
  }

  /** Takes the next `len` bytes, at `ptr`. */
  push(ptr: usize, len: i32): void {
    const end = ptr + len;
    while (ptr < end && this.state != State.Lost) {
      if (this.state == State.Value) {
        const skipped = min<i32>(this.left, (end - ptr) as i32);
        this.left -= skipped;
        ptr += skipped;
        if (this.left == 0) this.state = State.NameLength;
      } else {
        this.take(load<u8>(ptr++));
      }
    }
  }

  private take(byte: u8): void {
    switch (this.state) {
      case State.NameLength:
        this.beginName(byte);
        break;
      case State.Name:
        this.takeName(byte);
        break;
      case State.Type:
        this.beginValue(byte);
        break;
      case State.LengthHigh:
        this.left = (byte as i32) << 8;
        this.state = State.LengthLow;
        break;
      default:
        this.left |= byte;
        this.state = this.left == 0 ? State.NameLength : State.Value;
    }
  }

  private beginName(length: u8): void {
    this.state = length == 0 ? State.Lost : State.Name;
    this.left = length;
    this.nameLength = length;
    this.couldBeException = length == lengthOf(EXCEPTION);
    this.couldBeError = length == lengthOf(ERROR);
  }

  private takeName(byte: u8): void {
    const at = this.nameLength - this.left;
    if (this.couldBeException) this.couldBeException = load<u8>(bytesOf(EXCEPTION) + at) == byte;
    if (this.couldBeError) this.couldBeError = load<u8>(bytesOf(ERROR) + at) == byte;
    if (--this.left > 0) return;
    if (this.couldBeException || this.couldBeError) this.isException = true;
    this.state = State.Type;
  }

  private beginValue(type: u8): void {
    if (type > 9) {
      this.state = State.Lost;
      return;
    }
    this.left = valueBytes(type);
    this.state = this.left < 0 ? State.LengthHigh : this.left == 0 ? State.NameLength : State.Value;
  }
}
