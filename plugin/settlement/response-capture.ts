import { bytesOf, lengthOf } from "../abi/text";
import { FieldPointers, FilterConfig, ResponseField } from "../filter-config";
import { litters } from "../garbage";
import { isMarkByte, isSpace } from "../scan/ascii";
import { EventStreamScanner, EventStreamSink } from "../scan/event-stream-scanner";
import { GzipInflater, InflateSink } from "../scan/gzip-inflater";
import { JsonScanner, JsonSink } from "../scan/json-scanner";
import { SseScanner, SseSink } from "../scan/sse-scanner";
import { CapturedFacts, CapturedText, CapturedUsage, TOO_LONG } from "./captured";
import { ClientEvents } from "./client-events";
import { Beginning, beginning, Encoding, Framing } from "./framing";

/** About what an inflater takes. */
const INFLATER_BYTES = 48 * 1024;
/** So many are kept for responses to come. */
const MOST_FREE = 64;
const HEAD = memory.data(8);

/** What is captured of one response as it passes: usage, facts, counts of text. */
export class ResponseCapture extends JsonSink {
  framing: Framing = Framing.None;
  usage: CapturedUsage;
  facts: CapturedFacts;
  text: CapturedText = new CapturedText();
  outputBytes: i64 = 0;
  responseBytes: i64 = 0;
  events: i32 = 0;
  done: bool = false;
  /** A document or event was begun and not ended. */
  unfinished: bool = false;
  /** null: all goes to the client as it comes. */
  client: ClientEvents | null = null;

  private fields: FieldPointers;
  private json!: JsonScanner;
  private sse: SseScanner | null = null;
  private eventStream: EventStreamScanner | null = null;
  /** Reads a copy of a compressed body; the client gets it as it came. */
  private inflater: GzipInflater | null = null;
  /** In the SSE event that is arriving. */
  private choicesEmpty: bool = false;
  private choicesFull: bool = false;
  private usageSeen: bool = false;
  /** A choice has told that it goes on: the usage chunk comes after the last has ended. */
  private choiceOpen: bool = false;
  /** The first field name, the first byte lowest, until the framing is known. */
  private head: u64 = 0;
  private headLength: i32 = 0;

  /** One for a new response. */
  static take(config: FilterConfig): ResponseCapture {
    const free = config.freeCaptures;
    return free.length > 0 ? free.pop() : new ResponseCapture(config);
  }

  /** Nobody needs it any more. */
  giveBack(config: FilterConfig): void {
    if (config.freeCaptures.length == MOST_FREE) return;
    this.reset();
    config.freeCaptures.push(this);
  }

  private reset(): void {
    this.framing = Framing.None;
    this.usage.reset();
    this.facts.reset();
    this.text.reset();
    this.outputBytes = 0;
    this.responseBytes = 0;
    this.events = 0;
    this.done = false;
    this.unfinished = false;
    this.client = null;
    this.inflater = null;
    this.choicesEmpty = false;
    this.choicesFull = false;
    this.usageSeen = false;
    this.choiceOpen = false;
    this.head = 0;
    this.headLength = 0;
    this.json.reset();
    const sse = this.sse;
    if (sse !== null) sse.reset();
    const eventStream = this.eventStream;
    if (eventStream !== null) eventStream.reset();
  }

  private constructor(config: FilterConfig) {
    super();
    this.fields = config.response;
    this.usage = new CapturedUsage(config.usagePointers);
    this.facts = new CapturedFacts(config.factPointers.length);
    this.json = new JsonScanner(this.fields.set, this);
  }

  /** Prepares for a body with these headers. */
  begin(isEventStream: bool, encoding: Encoding): void {
    if (encoding == Encoding.Other) {
      this.framing = Framing.Opaque;
      return;
    }
    if (encoding == Encoding.Zip) {
      this.inflater = new GzipInflater(new InflatedBytes(this));
      litters(INFLATER_BYTES);
    }
    if (isEventStream) {
      this.framing = Framing.EventStream;
      if (this.eventStream === null) {
        this.eventStream = new EventStreamScanner(this.json, new FrameEvents(this));
      }
    } else {
      this.framing = Framing.Undecided;
    }
  }

  /** Reads the next bytes of the body. */
  push(ptr: usize, length: i32): void {
    this.responseBytes += length;
    const inflater = this.inflater;
    if (inflater === null) this.read(ptr, length);
    else inflater.push(ptr, length);
  }

  /** Reads the next bytes of the body, which are not compressed or no longer so. */
  read(ptr: usize, length: i32): void {
    if (this.framing == Framing.Undecided) this.decide(ptr, length);
    const client = this.client;
    if (client !== null) client.beginSlice(ptr, length);
    if (this.framing == Framing.Json) {
      this.json.push(ptr, length);
    } else if (this.framing == Framing.Sse) {
      (<SseScanner>this.sse).push(ptr, length);
    } else if (this.framing == Framing.EventStream) {
      (<EventStreamScanner>this.eventStream).push(ptr, length);
    }
    const isOther = this.framing != Framing.Sse && this.framing != Framing.Undecided;
    if (client !== null) client.endSlice(isOther, this.choicesFull || this.choiceOpen);
  }

  /** The client was told that the stream is over before it was. */
  get isCut(): bool {
    const client = this.client;
    return client !== null && client.isCut;
  }

  /** The body is over, however it ended: what was complete counts. */
  end(): void {
    if (this.framing == Framing.Json) this.json.end();
    else if (this.framing == Framing.Sse) (<SseScanner>this.sse).end();
    else if (this.framing == Framing.EventStream) (<EventStreamScanner>this.eventStream).end();
    const inflater = this.inflater;
    if (inflater !== null && !inflater.finished) this.unfinished = true;
  }

  /**
   * What a body is, is told by how it begins: providers are known to send SSE as text/plain and
   * JSON errors as text/event-stream. SSE begins with a comment or with the name of a field.
   */
  private decide(ptr: usize, length: i32): void {
    const headBefore = this.headLength;
    for (let i = 0; i < length; i++) {
      const byte = load<u8>(ptr + <usize>i);
      if (this.headLength == 0) {
        if (isSpace(byte) || isMarkByte(byte)) continue;
        if (byte == 0x7b || byte == 0x5b) {
          this.framing = Framing.Json;
          return;
        }
      }
      this.head |= (<u64>byte) << (this.headLength++ << 3);
      const found = beginning(this.head, this.headLength);
      if (found == Beginning.Open) continue;
      if (found == Beginning.Sse) this.beginSse(headBefore);
      else this.framing = Framing.Opaque;
      return;
    }
  }

  /** headBytes: of its first name that came in earlier pieces. */
  private beginSse(headBytes: i32): void {
    this.framing = Framing.Sse;
    const known = this.sse;
    const sse = known === null ? new SseScanner(this.json, new SseEvents(this)) : known;
    this.sse = sse;
    store<u64>(HEAD, this.head);
    sse.push(HEAD, headBytes);
  }

  /** The SSE event that is arriving, or was, is the usage chunk. */
  get isUsageChunk(): bool {
    return this.choicesEmpty && !this.choicesFull && this.usageSeen && !this.choiceOpen;
  }

  /** An SSE event is complete; `end`: offset after it in the slice. */
  endSseEvent(end: i32): void {
    this.events++;
    this.unfinished = false;
    const client = this.client;
    if (client !== null) client.endEvent(end, this.isUsageChunk, this.outputBytes);
    this.choicesEmpty = false;
    this.choicesFull = false;
    this.usageSeen = false;
  }

  endFrame(valid: bool): void {
    if (valid) this.events++;
    this.unfinished = !valid;
  }

  override onValue(id: i32, type: u8, ptr: usize, length: i32, start: i32, end: i32): void {
    const field = this.fields.fields[id];
    if (field == ResponseField.Usage) {
      if (type == 0x6e) return;
      this.usageSeen = true;
      this.usage.keep(this.fields.ranks[id], ptr, length);
    } else if (field == ResponseField.Fact) {
      const rank = this.fields.ranks[id];
      // What is null or "" does not take the place of what was told before.
      const isNothing = type == 0x6e || (type == 0x22 && length <= 2);
      if (rank == this.fields.finishRank) this.choiceOpen = isNothing;
      if (isNothing || type == 0x7b || type == 0x5b) return;
      this.facts.keep(rank, ptr, length);
    }
  }

  override onOversize(id: i32, start: i32, end: i32): void {
    this.onValue(id, 0x74, bytesOf(TOO_LONG), lengthOf(TOO_LONG), start, end);
  }

  override onText(id: i32, bytes: i32): void {
    this.text.add(this.fields.ranks[id], bytes);
    this.outputBytes += bytes;
  }

  override onProbe(id: i32, type: u8, empty: bool, start: i32): void {
    if (this.fields.fields[id] != ResponseField.Choices) return;
    if (empty && type == 0x5b) this.choicesEmpty = true;
    else this.choicesFull = true;
  }

  override onDocument(valid: bool): void {
    // What is not JSON is no usage chunk, whatever is in it.
    if (!valid) this.usageSeen = false;
    // The end of an SSE event takes this back, and that of a frame.
    this.unfinished = !valid;
    if (valid && this.framing == Framing.Json) this.events++;
  }
}

class InflatedBytes extends InflateSink {
  constructor(private capture: ResponseCapture) {
    super();
  }

  override onBytes(ptr: usize, length: i32): void {
    this.capture.read(ptr, length);
  }
}

class SseEvents extends SseSink {
  constructor(private capture: ResponseCapture) {
    super();
  }

  override onEvent(end: i32): void {
    this.capture.endSseEvent(end);
  }

  override onTrailingLf(): void {
    const client = this.capture.client;
    if (client !== null) client.trailingLf();
  }

  override onDone(): void {
    this.capture.done = true;
  }
}

class FrameEvents extends EventStreamSink {
  constructor(private capture: ResponseCapture) {
    super();
  }

  override onFrame(valid: bool): void {
    this.capture.endFrame(valid);
  }
}
