import { Root } from "./root";
import { Stream } from "./stream";

/** So many are kept for exchanges to come. */
const MOST_FREE = 64;

/** The streams of one root: those of exchanges that are over are used again. */
export class StreamPool {
  private free: Stream[] = [];

  constructor(private root: Root) {}

  /** A stream for a new exchange, which the host knows as `id`. */
  open(id: u32): Stream {
    const stream = this.free.length > 0 ? this.free.pop() : new Stream(this.root);
    stream.open(id);
    return stream;
  }

  /** The host knows the stream no more. */
  close(stream: Stream): void {
    if (stream.close() && this.free.length < MOST_FREE) this.free.push(stream);
  }
}
