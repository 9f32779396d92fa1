import { Body, bodyBytes, handedLength, handedPtr, replaceBodyStart } from "../abi/host";
import { release } from "../abi/memory";
import { ByteWriter } from "../scan/json-write";
import { RequestScan } from "./request-scan";

class Edit {
  constructor(
    public start: i32,
    public end: i32,
    public text: ArrayBuffer,
  ) {}
}

const out = new ByteWriter();

/**
 * Changes to a held request body, by byte offsets of the original. Every other byte reaches the
 * upstream as the client sent it.
 */
export class BodyEdits {
  private edits: Edit[] = [];

  get isEmpty(): bool {
    return this.edits.length == 0;
  }

  /** Asks for the usage chunk at the end of a stream (OpenAI's stream_options.include_usage). */
  includeUsage(scan: RequestScan): void {
    if (scan.optionsType == 0) {
      const comma = scan.rootEmpty ? "" : ",";
      this.insert(scan.rootStart + 1, `"stream_options":{"include_usage":true}${comma}`);
    } else if (scan.optionsType != 0x7b) {
      this.replace(scan.optionsStart, scan.optionsEnd, '{"include_usage":true}');
    } else if (scan.usageStart >= 0) {
      this.replace(scan.usageStart, scan.usageEnd, "true");
    } else {
      const comma = scan.optionsEmpty ? "" : ",";
      this.insert(scan.optionsStart + 1, `"include_usage":true${comma}`);
    }
  }

  /** Sends another model than the one asked for. */
  model(scan: RequestScan, model: string): void {
    out.reset();
    out.jsonString(model);
    const quoted = String.UTF8.decodeUnsafe(out.ptr, out.length);
    this.replace(scan.modelStart, scan.modelEnd, quoted);
  }

  /** Lowers the client's own output limit. */
  maxOutputTokens(scan: RequestScan, tokens: i64): void {
    this.replace(scan.maxStart, scan.maxEnd, tokens.toString());
  }

  /**
   * Carries the edits out on the body that Envoy holds. Returns by how many bytes it grew.
   * Envoy can replace only at a body's beginning, so all up to the last edit is written again.
   */
  apply(): i32 {
    const last = this.edits[this.edits.length - 1].end;
    if (!bodyBytes(Body.Request, 0, last)) return 0;
    const source = handedPtr;
    const length = handedLength;
    out.reset();
    let at = 0;
    for (let i = 0; i < this.edits.length; i++) {
      const edit = this.edits[i];
      if (edit.start < at || edit.end > length) continue;
      out.raw(source + <usize>at, edit.start - at);
      out.raw(changetype<usize>(edit.text), edit.text.byteLength);
      at = edit.end;
    }
    out.raw(source + <usize>at, length - at);
    replaceBodyStart(Body.Request, length, out.ptr, out.length);
    release(source);
    return out.length - length;
  }

  private insert(at: i32, text: string): void {
    this.replace(at, at, text);
  }

  private replace(start: i32, end: i32, text: string): void {
    let place = this.edits.length;
    while (place > 0 && this.edits[place - 1].start > start) place--;
    const after = this.edits.splice(place);
    this.edits.push(new Edit(start, end, String.UTF8.encode(text)));
    for (let i = 0; i < after.length; i++) this.edits.push(after[i]);
  }
}
