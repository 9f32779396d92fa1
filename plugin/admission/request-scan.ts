import { wholeNumber } from "../abi/whole-number";
import { FieldPointers, FilterConfig, RequestField } from "../filter-config";
import { JsonScanner, JsonSink } from "../scan/json-scanner";
import { parseJson } from "../scan/json-tree";
import { ByteWriter } from "../scan/json-write";

const UNSET: i32 = i32.MAX_VALUE;

/**
 * What the filter reads in a request body as it arrives. Offsets are those of the body's bytes, so
 * that the request can be rewritten in place. Of two same keys the last counts, as parsers do.
 */
export class RequestScan extends JsonSink {
  model: string = "";
  hasModel: bool = false;
  modelStart: i32 = 0;
  modelEnd: i32 = 0;
  stream: bool = false;
  maxOutputTokens: i64 = -1;
  maxStart: i32 = 0;
  maxEnd: i32 = 0;
  choices: i64 = 1;
  hasPrompt: bool = false;
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
  private fields: FieldPointers;
  private modelRank: i32 = UNSET;
  private streamRank: i32 = UNSET;
  private maxRank: i32 = UNSET;
  private choicesRank: i32 = UNSET;
  private bodyNames: string[] = [];
  private bodyValues: ArrayBuffer[] = [];

  constructor(config: FilterConfig) {
    super();
    this.fields = config.request;
    this.scanner = new JsonScanner(config.request.set, this);
  }

  push(ptr: usize, length: i32): void {
    for (let i = 0; this.firstByte < 0 && i < length; i++) {
      const byte = load<u8>(ptr + <usize>i);
      if (byte != 0x20 && (byte < 0x09 || byte > 0x0d)) this.firstByte = this.scannedBytes + i;
    }
    this.scanner.push(ptr, length);
    this.scannedBytes += length;
  }

  end(): void {
    this.scanner.end();
  }

  /** Writes llm.body: the raw values at the pointers that policies read. */
  writeBody(out: ByteWriter): void {
    out.byte(0x7b);
    for (let i = 0; i < this.bodyNames.length; i++) {
      if (i > 0) out.byte(0x2c);
      out.jsonString(this.bodyNames[i]);
      out.byte(0x3a);
      out.jsonValue(changetype<usize>(this.bodyValues[i]), this.bodyValues[i].byteLength);
    }
    out.byte(0x7d);
  }

  /** The body is one whole JSON object, so it can be rewritten by offsets. */
  get isObject(): bool {
    return this.rootStart >= 0 && this.rootStart == this.firstByte && this.documents == 1;
  }

  /** An LLM request; what was nested too deeply to be read may be one, too, and cost. */
  get looksLikeLlm(): bool {
    return this.scanner.tooDeep || (this.hasModel && this.hasPrompt);
  }

  get hasBody(): bool {
    return this.bodyNames.length > 0;
  }

  override onValue(id: i32, type: u8, ptr: usize, length: i32, start: i32, end: i32): void {
    const field = this.fields.fields[id];
    const rank = this.fields.ranks[id];
    if (field == RequestField.Model) {
      if (type == 0x22 && rank <= this.modelRank) {
        this.modelRank = rank;
        this.hasModel = true;
        this.model = unquote(ptr, length);
        this.modelStart = start;
        this.modelEnd = end;
      }
    } else if (field == RequestField.Stream) {
      if (rank <= this.streamRank) {
        this.streamRank = rank;
        this.stream = type == 0x74;
      }
    } else if (field == RequestField.MaxOutputTokens) {
      if (type == 0x30 && rank <= this.maxRank) {
        this.maxRank = rank;
        this.maxOutputTokens = wholeNumber(ptr, length);
        this.maxStart = start;
        this.maxEnd = end;
      }
    } else if (field == RequestField.Choices) {
      if (type == 0x30 && rank <= this.choicesRank) {
        this.choicesRank = rank;
        this.choices = max(<i64>1, wholeNumber(ptr, length));
      }
    } else if (field == RequestField.StreamOptions) {
      this.optionsType = type;
      this.optionsStart = start;
      this.optionsEnd = end;
    } else if (field == RequestField.IncludeUsage) {
      this.includeUsage = type == 0x74;
      this.usageStart = start;
      this.usageEnd = end;
    } else if (field == RequestField.Body) {
      this.keepBody(this.fields.pointers[id], ptr, length);
    }
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

  private keepBody(pointer: string, ptr: usize, length: i32): void {
    const copy = new ArrayBuffer(length);
    memory.copy(changetype<usize>(copy), ptr, length);
    const known = this.bodyNames.indexOf(pointer);
    if (known >= 0) {
      this.bodyValues[known] = copy;
    } else {
      this.bodyNames.push(pointer);
      this.bodyValues.push(copy);
    }
  }
}

/** The content of a raw JSON string. */
function unquote(ptr: usize, length: i32): string {
  const node = parseJson(ptr, length);
  // The scanner is more lenient than the parser.
  return node === null ? String.UTF8.decodeUnsafe(ptr + 1, length - 2) : node.text;
}
