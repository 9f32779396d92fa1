import { Ascii } from "./ascii";
import { JsonScanner } from "./json-scanner";

const DONE_BYTES: i32 = 6;
/** How streams in the manner of OpenAI end; it is not JSON. */
const done = memory.data<u8>([0x5b, 0x44, 0x4f, 0x4e, 0x45, 0x5d]);
const lineFeed = memory.data<u8>([Ascii.Lf]);

/** Passes the data of an event to a JsonScanner, all but `[DONE]`. */
export class DataFeed {
  /** How many bytes of `[DONE]` the data was so far and were held back, -1 when it is not that. */
  private held: i32 = 0;

  constructor(private json: JsonScanner) {}

  /** Forgets everything, in the JsonScanner too. */
  reset(): void {
    this.held = 0;
    this.json.reset();
  }

  /** Takes the next `len` bytes of data, at `ptr`. */
  push(ptr: usize, len: i32): void {
    const end = ptr + len;
    while (this.held >= 0 && ptr < end) {
      const held = this.held;
      if (held < DONE_BYTES && load<u8>(ptr) == load<u8>(done + held)) {
        this.held = held + 1;
        ptr++;
      } else {
        this.letGo();
      }
    }
    if (ptr < end) this.json.push(ptr, (end - ptr) as i32);
  }

  /** Another data line of the same event follows. */
  join(): void {
    this.push(lineFeed, 1);
  }

  /** The event ends. Returns true where its data was exactly `[DONE]`. */
  end(): bool {
    const isDone = this.held == DONE_BYTES;
    if (!isDone) {
      this.letGo();
      this.json.end();
    }
    this.held = 0;
    return isDone;
  }

  private letGo(): void {
    if (this.held > 0) this.json.push(done, this.held);
    this.held = -1;
  }
}
