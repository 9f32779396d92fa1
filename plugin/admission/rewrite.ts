import { Body, bodyBytes, handedLength, handedPtr, replaceBodyStart } from "../abi/host";
import { release } from "../abi/memory";
import { startsWith, utf8 } from "../abi/text";
import { ByteWriter } from "../scan/json-write";
import { Exchange } from "../settlement/exchange";
import { Answer } from "./answer";
import { ApiMatch } from "./api-path";
import { RequestScan } from "./request-scan";

const MOST_EDITS = 4;
const USAGE = utf8('"include_usage":true');

const out = new ByteWriter();
const name = new ByteWriter();
/** What the edits put in, one after the other. */
const texts = new ByteWriter();

/** What stands in [start, end) of the body is replaced by [from, to) of `texts`. */
class Edit {
  start: i32 = 0;
  end: i32 = 0;
  from: i32 = 0;
  to: i32 = 0;
}

/**
 * Changes to a held request body, by byte offsets of the original. Every other byte reaches the
 * upstream as the client sent it. There is one for all requests: begin, edit, apply.
 */
class BodyEdits {
  private edits: Edit[] = [];
  private count: i32 = 0;
  /** The body is an object without members, and none was put in so far. */
  private rootEmpty: bool = false;

  constructor() {
    for (let i = 0; i < MOST_EDITS; i++) this.edits.push(new Edit());
  }

  begin(scan: RequestScan): void {
    this.count = 0;
    this.rootEmpty = scan.rootEmpty;
    texts.reset();
  }

  get isEmpty(): bool {
    return this.count == 0;
  }

  /** Asks for the usage chunk at the end of a stream (OpenAI's stream_options.include_usage). */
  includeUsage(scan: RequestScan): void {
    const from = texts.length;
    if (scan.optionsType == 0) {
      texts.text(utf8('"stream_options":{'));
      texts.text(USAGE);
      texts.byte(0x7d);
      this.addMember(scan, from);
    } else if (scan.optionsType != 0x7b) {
      texts.byte(0x7b);
      texts.text(USAGE);
      texts.byte(0x7d);
      this.replace(scan.optionsStart, scan.optionsEnd, from);
    } else if (scan.usageStart >= 0) {
      texts.text(utf8("true"));
      this.replace(scan.usageStart, scan.usageEnd, from);
    } else {
      texts.text(USAGE);
      if (!scan.optionsEmpty) texts.byte(0x2c);
      this.replace(scan.optionsStart + 1, scan.optionsStart + 1, from);
    }
  }

  /** Sends another model than the one asked for. */
  model(scan: RequestScan, model: string): void {
    const from = texts.length;
    texts.jsonString(model);
    this.replace(scan.modelStart, scan.modelEnd, from);
  }

  /**
   * Lowers the client's own output limits, also what stands in their places and is none, or gives
   * one in a member of this name ("": not).
   */
  maxOutputTokens(scan: RequestScan, name: string, tokens: i64): void {
    const told = scan.maxOutputTokens;
    if (told >= 0 && told <= tokens) return;
    const from = texts.length;
    if (scan.limitCount > 0) {
      texts.int(tokens);
      for (let i = 0; i < scan.limitCount; i++) {
        this.replace(scan.limitPlaces[i << 1], scan.limitPlaces[(i << 1) + 1], from);
      }
    } else if (name != "") {
      texts.jsonString(name);
      texts.byte(0x3a);
      texts.int(tokens);
      this.addMember(scan, from);
    }
  }

  /**
   * Carries the edits out on the body that Envoy holds. Returns by how many bytes it grew.
   * Envoy can replace only at a body's beginning, so all up to the last edit is written again.
   */
  apply(): i32 {
    const last = this.edits[this.count - 1].end;
    if (!bodyBytes(Body.Request, 0, last)) return 0;
    const source = handedPtr;
    const length = handedLength;
    out.reset();
    let at = 0;
    for (let i = 0; i < this.count; i++) {
      const edit = this.edits[i];
      if (edit.start < at || edit.end > length) continue;
      out.raw(source + <usize>at, edit.start - at);
      out.raw(texts.ptr + <usize>edit.from, edit.to - edit.from);
      at = edit.end;
    }
    out.raw(source + <usize>at, length - at);
    replaceBodyStart(Body.Request, length, out.ptr, out.length);
    release(source);
    return out.length - length;
  }

  /** Inserts the text from `from` on among the first members of the body. */
  private addMember(scan: RequestScan, from: i32): void {
    if (!this.rootEmpty) texts.byte(0x2c);
    this.rootEmpty = false;
    // Of edits at one place the last comes first: an object without members gets its last first.
    this.replace(scan.rootStart + 1, scan.rootStart + 1, from);
  }

  private replace(start: i32, end: i32, from: i32): void {
    let place = this.count++;
    const edit = this.edits[place];
    for (; place > 0 && this.edits[place - 1].start >= start; place--) {
      this.edits[place] = this.edits[place - 1];
    }
    this.edits[place] = edit;
    edit.start = start;
    edit.end = end;
    edit.from = from;
    edit.to = texts.length;
  }
}

const edits = new BodyEdits();

/**
 * Changes the body that Envoy holds as far as the answer or the API's streams ask for it, and
 * notes in the exchange what was changed. answer null: the service did not say anything. Returns
 * by how many bytes the body grew.
 */
export function rewriteBody(
  scan: RequestScan,
  match: ApiMatch | null,
  answer: Answer | null,
  exchange: Exchange,
): i32 {
  edits.begin(scan);
  if (answer !== null) {
    const model = answer.model;
    if (model != "" && scan.hasModel && !scan.asksFor(model)) {
      edits.model(scan, model);
      exchange.modelSent = model;
    }
    const member = match === null ? "" : match.route.maxOutputName;
    const most = answer.maxOutputTokens;
    if (most >= 0) edits.maxOutputTokens(scan, member, most);
  }
  if (match !== null && scan.stream && !scan.includeUsage && asksForUsage(match, scan, exchange)) {
    edits.includeUsage(scan);
    exchange.addedUsage = true;
  }
  return edits.isEmpty ? 0 : edits.apply();
}

/** The usage chunk has to be asked for, and whoever serves the model takes that. */
function asksForUsage(match: ApiMatch, scan: RequestScan, exchange: Exchange): bool {
  const route = match.route;
  if (!route.includeUsage) return false;
  const sent = exchange.modelSent;
  const inPath = match.model;
  name.reset();
  if (sent != "") name.utf8(sent);
  else if (inPath !== null) name.raw(inPath.ptr, inPath.length);
  else if (scan.hasModel) name.raw(scan.model.ptr + 1, scan.model.length - 2);
  for (let i = 0; i < route.usageExcept.length; i++) {
    if (startsWith(name.ptr, name.length, route.usageExcept[i].text)) return false;
  }
  return true;
}
