/**
 * Finds the end of an HTTP/1.1 message with as little work as can be: for peers that we trust,
 * that do not pipeline, and that send a content-length or chunks (RFC 9112, sections 6 and 7).
 */

const HEAD_END = "\r\n\r\n";
/** The last chunk, without trailers, behind the line end of the one before. */
const CHUNKS_END = Buffer.from("\r\n0\r\n\r\n");
const NO_BYTES: Buffer = Buffer.alloc(0);

export class MessageReader {
  /** First line and header fields of the message under way, or of the last one. */
  head = "";
  private headBytes = NO_BYTES;
  /** Bytes of the body still to come; -1: in chunks; -2: the head is not complete. */
  private left = -2;
  /** The last bytes, where the end of the chunks may be cut in two. */
  private tail = NO_BYTES;

  /** Takes what has come; true when that completes the message. Throws on bytes behind its end. */
  push(bytes: Buffer): boolean {
    return this.left === -2 ? this.readHead(bytes) : this.readBody(bytes);
  }

  /** Status of a response; 0 where it cannot be read. */
  get status(): number {
    return Number(this.head.slice(9, 12)) || 0;
  }

  private readHead(bytes: Buffer): boolean {
    const all = this.headBytes.length === 0 ? bytes : Buffer.concat([this.headBytes, bytes]);
    const end = all.indexOf(HEAD_END);
    if (end < 0) {
      this.headBytes = all;
      return false;
    }
    this.headBytes = NO_BYTES;
    this.head = all.toString("latin1", 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.head);
    const isChunked = length === null && /\r\ntransfer-encoding: *chunked/i.test(this.head);
    this.left = isChunked ? -1 : Number(length?.[1] ?? 0);
    // The line end before the last chunk is the head's own where there is no other chunk.
    this.tail = NO_BYTES;
    return this.readBody(all.subarray(isChunked ? end + 2 : end + 4));
  }

  private readBody(bytes: Buffer): boolean {
    if (this.left >= 0) {
      this.left -= bytes.length;
      if (this.left < 0) throw new Error("bytes came behind the end of a message");
      return this.left === 0 && this.complete();
    }
    const size = CHUNKS_END.length;
    const last = bytes.length >= size ? bytes.subarray(-size) : Buffer.concat([this.tail, bytes]);
    this.tail = last.length > size ? last.subarray(-size) : last;
    return this.tail.equals(CHUNKS_END) && this.complete();
  }

  private complete(): true {
    this.left = -2;
    return true;
  }
}
