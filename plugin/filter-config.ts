import { equals, isText, OwnText, Text, utf8 } from "./abi/text";
import { ApiMatch } from "./admission/api-path";
import { RequestScan } from "./admission/request-scan";
import { isFilterConfig } from "./filter-config-check";
import { Ascii } from "./scan/ascii";
import { JsonNode, parseJson } from "./scan/json-tree";
import { PointerKind, PointerSet } from "./scan/pointer-set";
import { Bytes } from "./settlement/captured";
import { ResponseCapture } from "./settlement/response-capture";

const DEFAULT_ADMIT_TIMEOUT_MS = 1000;
const STAR: u8 = 0x2a;

/** One LLM API, told by the end of the path. */
export class ApiRoute {
  /** JSON: a string, or null. */
  readonly api: Bytes;
  readonly pattern: Bytes;
  readonly errorShape: OwnText;
  readonly method: OwnText;
  readonly includeUsage: bool;
  /** Beginnings of the names of models for which the usage chunk is not asked. */
  readonly usageExcept: OwnText[];
  readonly stream: bool;
  /** Member of the body that limits the output, where it is one of the top level; else "". */
  readonly maxOutputName: string;
  /** Of the pointers to an output limit those that this API takes, one bit for each. */
  readonly limitMask: i32;
  /** Last byte of the pattern; 0: a wildcard. */
  readonly lastByte: u8;
  /** Of all requests whose path names no model. */
  readonly match!: ApiMatch;

  constructor(node: JsonNode) {
    const api = node.str(utf8("api"), "");
    this.api = api == "" ? Bytes.of("null") : Bytes.quoted(api);
    this.pattern = Bytes.of(node.str(utf8("path"), ""));
    this.errorShape = OwnText.of(node.str(utf8("errorShape"), ""));
    this.method = OwnText.of(node.str(utf8("method"), "POST"));
    this.includeUsage = node.bool(utf8("includeUsage"), false);
    const except: OwnText[] = [];
    readTexts(node.get(utf8("includeUsageExcept")), except);
    this.usageExcept = except;
    this.stream = node.bool(utf8("stream"), false);
    const pointer = node.str(utf8("maxOutputPointer"), "/");
    this.maxOutputName = pointer.lastIndexOf("/") == 0 ? pointer.substring(1) : "";
    this.limitMask = node.int(utf8("outputLimits"), -1) as i32;
    this.lastByte = lastByteOf(this.pattern);
    this.match = new ApiMatch(this, null);
  }
}

/** The byte that a path must end with to match; 0: any. */
function lastByteOf(pattern: Bytes): u8 {
  if (pattern.length == 0) return 0;
  const last = load<u8>(pattern.ptr + <usize>pattern.length - 1);
  return last == Ascii.CloseBrace || last == STAR ? 0 : last;
}

/** How the value of a property is laid out. */
export const enum PropertyType {
  String = 0,
  Int = 1,
  Bool = 2,
  Timestamp = 3,
}

/** A property of Envoy that policies read. */
export class WantedProperty {
  /** JSON: a string. */
  readonly name: Bytes;
  readonly type: PropertyType;
  /** Path with its segments parted by NUL, as the ABI wants it. */
  readonly path: OwnText;

  constructor(node: JsonNode) {
    const name = node.str(utf8("name"), "");
    const type = node.get(utf8("type"));
    this.type = type === null ? PropertyType.String : typeOf(type);
    const path = Bytes.of(name);
    for (let i = 0; i < path.length; i++) {
      if (load<u8>(path.ptr + <usize>i) == 0x2e) store<u8>(path.ptr + <usize>i, 0);
    }
    this.name = Bytes.quoted(name);
    this.path = new OwnText(path.ptr, path.length);
  }
}

function typeOf(node: JsonNode): PropertyType {
  if (node.is(utf8("int"))) return PropertyType.Int;
  if (node.is(utf8("bool"))) return PropertyType.Bool;
  return node.is(utf8("timestamp")) ? PropertyType.Timestamp : PropertyType.String;
}

/** What a pointer found in a request body means. */
export const enum RequestField {
  Model = 0,
  Stream = 1,
  MaxOutputTokens = 2,
  Choices = 3,
  Prompt = 4,
  Body = 5,
  Root = 6,
  StreamOptions = 7,
  IncludeUsage = 8,
  StreamOptionsBegin = 9,
}
/** What a pointer found in a response means. */
export const enum ResponseField {
  Usage = 0,
  Fact = 1,
  Text = 2,
  Base64 = 3,
  Choices = 4,
}

/** A pointer set whose ids are mapped back to what they mean. */
export class FieldPointers {
  set: PointerSet = new PointerSet();
  fields: StaticArray<i32> = new StaticArray<i32>(0);
  /** Place among the pointers of the same field, in the configured order. */
  ranks: StaticArray<i32> = new StaticArray<i32>(0);
  /** As JSON strings. */
  pointers: Bytes[] = [];
  /** Rank of the fact that tells why a choice of a chat completion ended; -1: not asked for. */
  finishRank: i32 = -1;
  private fieldList: i32[] = [];

  add(pointer: string, kind: PointerKind, field: i32): void {
    const id = this.set.add(pointer, kind);
    if (id != this.fieldList.length) return;
    this.fieldList.push(field);
    this.pointers.push(Bytes.quoted(pointer));
  }

  addAll(node: JsonNode | null, kind: PointerKind, field: i32): void {
    if (node === null) return;
    for (let i = 0; i < node.items.length; i++) this.add(node.items[i].text, kind, field);
  }

  /** The pointers of one field, by slot. */
  ofField(field: i32): Bytes[] {
    const found: Bytes[] = [];
    for (let i = 0; i < this.pointers.length; i++) {
      if (this.fields[i] == field) found.push(this.pointers[i]);
    }
    return found;
  }

  seal(): void {
    this.fields = StaticArray.fromArray(this.fieldList);
    this.ranks = new StaticArray<i32>(this.fieldList.length);
    for (let i = 0; i < this.fieldList.length; i++) {
      let rank = 0;
      for (let j = 0; j < i; j++) {
        if (this.fieldList[j] == this.fieldList[i]) rank++;
      }
      this.ranks[i] = rank;
    }
  }
}

/** What the service tells the filter to look at; immutable once parsed. */
export class FilterConfig {
  version: string = "";
  failOpen: bool = false;
  /** How long a request may wait for its admission. */
  admitTimeoutMs: i32 = DEFAULT_ADMIT_TIMEOUT_MS;
  sniff: bool = false;
  routes: ApiRoute[] = [];
  headers: OwnText[] = [];
  allHeaders: bool = false;
  properties: WantedProperty[] = [];
  metadataNamespaces: OwnText[] = [];
  responseHeaders: OwnText[] = [];
  request: FieldPointers = new FieldPointers();
  response: FieldPointers = new FieldPointers();
  usagePointers: Bytes[] = [];
  factPointers: Bytes[] = [];
  textPointers: Bytes[] = [];
  /** Scanners that no stream needs any more, to be used again. */
  readonly freeScans: RequestScan[] = [];
  readonly freeCaptures: ResponseCapture[] = [];
  private errors: JsonNode | null = null;
  private errorTypes: JsonNode | null = null;

  /** The configuration in the JSON at `ptr`, or null when it is not one. */
  static parse(ptr: usize, length: i32): FilterConfig | null {
    const root = parseJson(ptr, length);
    if (root === null || !isFilterConfig(root)) return null;
    const apis = root.get(utf8("apis"));
    const attributes = root.get(utf8("attributes"));
    const request = root.get(utf8("request"));
    const response = root.get(utf8("response"));
    const mode = root.get(utf8("failureMode"));
    if (apis === null || attributes === null || request === null || response === null) return null;
    const c = new FilterConfig();
    c.version = root.str(utf8("version"), "");
    c.failOpen = mode !== null && mode.is(utf8("allow"));
    c.admitTimeoutMs = <i32>root.int(utf8("admitTimeoutMs"), DEFAULT_ADMIT_TIMEOUT_MS);
    c.sniff = root.bool(utf8("sniff"), false);
    for (let i = 0; i < apis.items.length; i++) c.routes.push(new ApiRoute(apis.items[i]));
    c.readAttributes(attributes);
    c.readRequest(request);
    c.readResponse(response);
    c.errors = root.get(utf8("errors"));
    c.errorTypes = root.get(utf8("errorTypes"));
    return c;
  }

  /** The error body template for a shape; null where the shape is not known. */
  errorBody(shape: Text): JsonNode | null {
    const errors = this.errors;
    return errors === null ? null : errors.get(shape);
  }

  /** What clients of a shape know an error with this status (413, 503) as; null: not told. */
  errorType(shape: Text, status: i32): JsonNode | null {
    const types = this.errorTypes;
    if (types === null) return null;
    const ofShape = types.get(shape);
    if (ofShape === null) return null;
    return ofShape.get(status == 413 ? utf8("413") : utf8("503"));
  }

  private readAttributes(node: JsonNode): void {
    const headers = node.get(utf8("headers"));
    readTexts(headers, this.headers);
    for (let i = 0; headers !== null && i < headers.items.length; i++) {
      if (headers.items[i].is(utf8("*"))) this.allHeaders = true;
    }
    const properties = node.get(utf8("properties"));
    for (let i = 0; properties !== null && i < properties.items.length; i++) {
      const wanted = properties.items[i];
      if (!isAlwaysTold(wanted.get(utf8("name")))) this.properties.push(new WantedProperty(wanted));
    }
    const metadata = node.get(utf8("metadata"));
    for (let i = 0; metadata !== null && i < metadata.items.length; i++) {
      const name = metadata.items[i].items[0].text;
      if (!this.hasNamespace(name)) this.metadataNamespaces.push(OwnText.of(name));
    }
  }

  private hasNamespace(name: string): bool {
    for (let i = 0; i < this.metadataNamespaces.length; i++) {
      if (equals(name, this.metadataNamespaces[i].text)) return true;
    }
    return false;
  }

  private readRequest(node: JsonNode): void {
    const r = this.request;
    r.add("", PointerKind.Probe, RequestField.Root);
    r.add("/stream_options", PointerKind.Probe, RequestField.StreamOptionsBegin);
    r.add("/stream_options", PointerKind.Value, RequestField.StreamOptions);
    r.add("/stream_options/include_usage", PointerKind.Value, RequestField.IncludeUsage);
    r.addAll(node.get(utf8("model")), PointerKind.Value, RequestField.Model);
    r.addAll(node.get(utf8("stream")), PointerKind.Value, RequestField.Stream);
    r.addAll(node.get(utf8("maxOutputTokens")), PointerKind.Value, RequestField.MaxOutputTokens);
    r.addAll(node.get(utf8("choices")), PointerKind.Value, RequestField.Choices);
    r.addAll(node.get(utf8("prompt")), PointerKind.Probe, RequestField.Prompt);
    r.addAll(node.get(utf8("body")), PointerKind.Value, RequestField.Body);
    r.seal();
  }

  private readResponse(node: JsonNode): void {
    const r = this.response;
    r.add("/choices", PointerKind.Probe, ResponseField.Choices);
    r.addAll(node.get(utf8("usage")), PointerKind.Value, ResponseField.Usage);
    r.addAll(node.get(utf8("facts")), PointerKind.Value, ResponseField.Fact);
    r.addAll(node.get(utf8("text")), PointerKind.Text, ResponseField.Text);
    r.addAll(node.get(utf8("base64")), PointerKind.Base64, ResponseField.Base64);
    r.seal();
    this.usagePointers = r.ofField(ResponseField.Usage);
    this.factPointers = r.ofField(ResponseField.Fact);
    this.textPointers = r.ofField(ResponseField.Text);
    for (let i = 0; i < this.factPointers.length; i++) {
      const fact = this.factPointers[i];
      if (isText(fact.ptr, fact.length, utf8('"/choices/*/finish_reason"'))) r.finishRank = i;
    }
    readTexts(node.get(utf8("headers")), this.responseHeaders);
  }
}

/** Is it among the attributes that are read in the headers, whatever is wanted? */
function isAlwaysTold(name: JsonNode | null): bool {
  if (name === null) return false;
  return (
    name.is(utf8("request.path")) ||
    name.is(utf8("request.method")) ||
    name.is(utf8("request.host"))
  );
}

function readTexts(list: JsonNode | null, into: OwnText[]): void {
  for (let i = 0; list !== null && i < list.items.length; i++) {
    into.push(OwnText.of(list.items[i].text));
  }
}
