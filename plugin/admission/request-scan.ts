import { isText, utf8 } from "../abi/text";
import { wholeNumber } from "../abi/whole-number";
import { FieldPointers, FilterConfig, RequestField } from "../filter-config";
import { litters } from "../garbage";
import { JsonScanner, JsonSink } from "../scan/json-scanner";
import { decodeString } from "../scan/json-text";
import { ByteWriter } from "../scan/json-write";
import { MULTIPART_SCANNER_BYTES, MultipartScanner } from "../scan/multipart-scanner";
import { Bytes, writeBytes } from "../settlement/captured";
import { ApiMatch, isForm } from "./api-path";
import { RequestHead } from "./attributes";

const UNSET: i32 = i32.MAX_VALUE;
/** Output limits of one request that can be lowered; more are no request that anyone answers. */
const MOST_LIMITS: i32 = 2;
/** So many are kept for requests to come. */
const MOST_FREE = 64;

/**
 * What the filter reads in a request body as it arrives. Offsets are those of the body's bytes, so
 * that the request can be rewritten in place. Of two same keys the last counts, as parsers do, but
 * of output limits and choices the largest: what is held must do whatever the server reads. The
 * fields of a form are read as the members of an object are; a form cannot be rewritten.
 */
export class RequestScan extends JsonSink {
  /** Raw JSON of the model. */
  model: Bytes = new Bytes(0, 0);
  hasModel: bool = false;
  modelStart: i32 = 0;
  modelEnd: i32 = 0;
  stream: bool = false;
  /** Where the output limits stand that the API knows, as start and end. */
  limitPlaces: StaticArray<i32> = new StaticArray<i32>(2 * MOST_LIMITS);
  limitCount: i32 = 0;
  choices: i64 = 1;
  hasPrompt: bool = false;
  /** There is something for `writeBody` to write. */
  hasBody: bool = false;
  /** Offset of the document's opening brace; -1: the body is not a JSON object. */
  rootStart: i32 = -1;
  rootEmpty: bool = false;
  /** First byte of stream_options' value; 0: the key is absent. */
  optionsType: u8 = 0;
  optionsEmpty: bool = false;
  optionsStart: i32 = 0;
  optionsEnd: i32 = 0;
  /** "true" in stream_options.include_usage. */
  includeUsage: bool = false;
  /** include_usage is there with another value, which stands at these offsets. */
  usageStart: i32 = -1;
  usageEnd: i32 = 0;
  scannedBytes: i32 = 0;

  /** Offset of the first byte that is not white space. */
  private firstByte: i32 = -1;
  private documents: i32 = 0;
  private scanner!: JsonScanner;
  /** null: the body is no form. */
  private form: MultipartScanner | null = null;
  private fields: FieldPointers;
  private modelRank: i32 = UNSET;
  private streamRank: i32 = UNSET;
  /** The ranks at which the API takes an output limit, one bit for each. */
  private limitMask: i32 = -1;
  /** One more than the largest output limit; 0: none, all bits: one may be without an end. */
  private limit: u64 = 0;
  /** What was read for each pointer that policies read; null: nothing. */
  private body: StaticArray<Bytes | null>;

  /** One for a new request; match null: its API is not known, and only JSON tells what it is. */
  static take(config: FilterConfig, match: ApiMatch | null, head: RequestHead): RequestScan {
    const free = config.freeScans;
    const scan = free.length > 0 ? free.pop() : new RequestScan(config);
    scan.limitMask = match === null ? -1 : match.route.limitMask;
    if (match === null || !isForm(head)) return scan;
    const type = head.contentType;
    litters(MULTIPART_SCANNER_BYTES);
    scan.form = new MultipartScanner(config.request.set, scan, type.ptr, type.length);
    return scan;
  }

  /** Nobody needs it any more. */
  giveBack(config: FilterConfig): void {
    if (config.freeScans.length == MOST_FREE) return;
    this.reset();
    config.freeScans.push(this);
  }

  private reset(): void {
    this.hasModel = false;
    this.stream = false;
    this.limit = 0;
    this.limitCount = 0;
    this.choices = 1;
    this.hasPrompt = false;
    if (this.hasBody) {
      this.hasBody = false;
      for (let i = 0; i < this.body.length; i++) this.body[i] = null;
    }
    this.rootStart = -1;
    this.optionsType = 0;
    this.includeUsage = false;
    this.usageStart = -1;
    this.scannedBytes = 0;
    this.firstByte = -1;
    this.documents = 0;
    this.modelRank = UNSET;
    this.streamRank = UNSET;
    this.form = null;
    this.scanner.reset();
  }

  private constructor(config: FilterConfig) {
    super();
    this.fields = config.request;
    this.body = new StaticArray<Bytes | null>(config.request.pointers.length);
    this.scanner = new JsonScanner(config.request.set, this);
  }

  push(ptr: usize, length: i32): void {
    for (let i = 0; this.firstByte < 0 && i < length; i++) {
      const byte = load<u8>(ptr + <usize>i);
      if (byte != 0x20 && (byte < 0x09 || byte > 0x0d)) this.firstByte = this.scannedBytes + i;
    }
    // Also that of a form: there are servers that do not look at the content-type.
    this.scanner.push(ptr, length);
    const form = this.form;
    if (form !== null) form.push(ptr, length);
    this.scannedBytes += length;
  }

  end(): void {
    this.scanner.end();
    const form = this.form;
    if (form === null) return;
    if (form.isAmbiguous || (form.isBegun && this.rootStart >= 0)) this.forget();
  }

  /** Nothing of what was read can be relied on. */
  private forget(): void {
    const bytes = this.scannedBytes;
    this.reset();
    this.scannedBytes = bytes;
  }

  /** Writes llm.body: the raw values at the pointers that policies read. */
  writeBody(out: ByteWriter): void {
    const body = this.body;
    let separator: u8 = 0x7b;
    for (let i = 0; i < body.length; i++) {
      const value = body[i];
      if (value === null) continue;
      out.byte(separator);
      separator = 0x2c;
      writeBytes(this.fields.pointers[i], out);
      out.byte(0x3a);
      out.jsonValue(value.ptr, value.length);
    }
    out.byte(0x7d);
  }

  /** The largest output limit of those that the API knows; below 0: none that is sure. */
  get maxOutputTokens(): i64 {
    return <i64>(this.limit - 1);
  }

  /** The body is one whole JSON object, so it can be rewritten by offsets. */
  get isObject(): bool {
    const isOne = this.documents == 1 && this.limitCount <= MOST_LIMITS;
    return isOne && this.rootStart >= 0 && this.rootStart == this.firstByte;
  }

  /** An LLM request; what was nested too deeply to be read may be one, too, and cost. */
  get looksLikeLlm(): bool {
    return this.scanner.tooDeep || (this.hasModel && this.hasPrompt);
  }

  /** The client asks for just this model. */
  asksFor(model: string): bool {
    const raw = this.model;
    const asked = decodeString(raw.ptr + 1, raw.ptr + <usize>raw.length - 1);
    return asked !== null && asked == model;
  }

  override onValue(id: i32, type: u8, ptr: usize, length: i32, start: i32, end: i32): void {
    const field = this.fields.fields[id];
    // A field of a form is text, whatever it stands for.
    if (start < 0 && field == RequestField.Stream) {
      if (isText(ptr, length, utf8('"true"'))) type = 0x74;
    } else if (start < 0 && isCount(field) && <u32>load<u8>(ptr, 1) - 0x30 < 10) {
      type = 0x30;
      ptr++;
    }
    const rank = this.fields.ranks[id];
    if (field == RequestField.Model) {
      if (type == 0x22 && rank <= this.modelRank) {
        this.modelRank = rank;
        this.hasModel = true;
        this.model.set(ptr, length);
        this.modelStart = start;
        this.modelEnd = end;
      }
    } else if (field == RequestField.Stream) {
      if (rank <= this.streamRank) {
        this.streamRank = rank;
        this.stream = type == 0x74;
      }
    } else if (field == RequestField.MaxOutputTokens) {
      if ((this.limitMask >> rank) & 1) this.takeLimit(type, ptr, length, start, end);
    } else if (field == RequestField.Choices) {
      if (type == 0x30) this.choices = max(this.choices, wholeNumber(ptr, length));
    } else if (field == RequestField.StreamOptions) {
      this.optionsType = type;
      this.optionsStart = start;
      this.optionsEnd = end;
    } else if (field == RequestField.IncludeUsage) {
      this.includeUsage = type == 0x74;
      this.usageStart = start;
      this.usageEnd = end;
    } else if (field == RequestField.Body) {
      const known = this.body[id];
      this.hasBody = true;
      if (known === null) this.body[id] = new Bytes(ptr, length);
      else known.set(ptr, length);
    }
  }

  /** What is not a number, or below 0, is none to some servers and no limit to others. */
  private takeLimit(type: u8, ptr: usize, length: i32, start: i32, end: i32): void {
    const told = type == 0x30 && load<u8>(ptr) != 0x2d;
    this.limit = max(this.limit, told ? <u64>wholeNumber(ptr, length) + 1 : u64.MAX_VALUE);
    const at = this.limitCount++ << 1;
    if (this.limitCount > MOST_LIMITS) return;
    this.limitPlaces[at] = start;
    this.limitPlaces[at + 1] = end;
  }

  override onOversize(id: i32, start: i32, end: i32): void {
    const field = this.fields.fields[id];
    if (field == RequestField.StreamOptions) {
      this.optionsType = 0x7b;
      this.optionsStart = start;
      this.optionsEnd = end;
    }
  }

  override onProbe(id: i32, type: u8, empty: bool, start: i32): void {
    const field = this.fields.fields[id];
    if (field == RequestField.Root) {
      if (type == 0x7b && this.rootStart < 0) {
        this.rootStart = start;
        this.rootEmpty = empty;
      }
    } else if (field == RequestField.StreamOptionsBegin) {
      this.optionsEmpty = empty;
      this.includeUsage = false;
      this.usageStart = -1;
    } else if (field == RequestField.Prompt) {
      this.hasPrompt = true;
    }
  }

  override onText(id: i32, bytes: i32): void {}

  override onDocument(valid: bool): void {
    this.documents += valid ? 1 : 2;
  }
}

function isCount(field: i32): bool {
  return field == RequestField.MaxOutputTokens || field == RequestField.Choices;
}
