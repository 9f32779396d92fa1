import { Utf8 } from "./abi/memory";
import { isFilterConfig } from "./filter-config-check";
import { JsonNode, parseJson } from "./scan/json-tree";
import { PointerKind, PointerSet } from "./scan/pointer-set";

const DEFAULT_ADMIT_TIMEOUT_MS = 1000;

/** One LLM API, told by the end of the path. */
export class ApiRoute {
  constructor(
    public api: string,
    public pattern: string,
    public errorShape: string,
    public includeUsage: bool,
    public stream: bool,
    public method: string,
  ) {}
}

/** A property of Envoy that policies read. */
export class WantedProperty {
  /** Path with its segments parted by NUL, as the ABI wants it. */
  path: Utf8;

  constructor(
    public name: string,
    public type: string,
  ) {
    this.path = new Utf8(name.split(".").join("\0"));
  }
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
  pointers: string[] = [];
  private fieldList: i32[] = [];

  add(pointer: string, kind: PointerKind, field: i32): void {
    const id = this.set.add(pointer, kind);
    if (id != this.fieldList.length) return;
    this.fieldList.push(field);
    this.pointers.push(pointer);
  }

  addAll(node: JsonNode | null, kind: PointerKind, field: i32): void {
    if (node === null) return;
    for (let i = 0; i < node.items.length; i++) this.add(node.items[i].text, kind, field);
  }

  /** The pointers of one field, by slot. */
  ofField(field: i32): string[] {
    const found: string[] = [];
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
  headers: Utf8[] = [];
  allHeaders: bool = false;
  properties: WantedProperty[] = [];
  metadataNamespaces: Utf8[] = [];
  responseHeaders: Utf8[] = [];
  request: FieldPointers = new FieldPointers();
  response: FieldPointers = new FieldPointers();
  usagePointers: string[] = [];
  factPointers: string[] = [];
  textPointers: string[] = [];
  private errorShapes: string[] = [];
  private errorTypes: JsonNode | null = null;
  private errorBodies: string[] = [];

  /** The configuration in the JSON at `ptr`, or null when it is not one. */
  static parse(ptr: usize, length: i32): FilterConfig | null {
    const root = parseJson(ptr, length);
    if (root === null || !isFilterConfig(root)) return null;
    const apis = root.get("apis");
    const request = root.get("request");
    const response = root.get("response");
    if (apis === null || request === null || response === null) return null;
    const c = new FilterConfig();
    c.version = root.str("version", "");
    c.failOpen = root.str("failureMode", "deny") == "allow";
    c.admitTimeoutMs = <i32>root.int("admitTimeoutMs", DEFAULT_ADMIT_TIMEOUT_MS);
    c.sniff = root.bool("sniff", false);
    c.readRoutes(apis);
    c.readAttributes(root.get("attributes"));
    c.readRequest(request);
    c.readResponse(response);
    c.readErrors(root.get("errors"));
    c.errorTypes = root.get("errorTypes");
    return c;
  }

  /** The error body template for a shape; a plain one when the shape is not known. */
  errorBody(shape: string): string {
    const i = this.errorShapes.indexOf(shape);
    if (i >= 0) return this.errorBodies[i];
    return '{"error":{"message":"$message","type":"$type","param":null,"code":"$code"}}';
  }

  /** What clients of a shape know an error with this status as. */
  errorType(shape: string, status: i32): string {
    const types = this.errorTypes;
    if (types === null) return "server_error";
    const ofShape = types.get(shape);
    return ofShape === null ? "server_error" : ofShape.str(status.toString(), "server_error");
  }

  private readRoutes(apis: JsonNode): void {
    for (let i = 0; i < apis.items.length; i++) {
      const a = apis.items[i];
      const route = new ApiRoute(
        a.str("api", ""),
        a.str("path", ""),
        a.str("errorShape", ""),
        a.bool("includeUsage", false),
        a.bool("stream", false),
        a.str("method", "POST"),
      );
      this.routes.push(route);
    }
  }

  private readAttributes(node: JsonNode | null): void {
    if (node === null) return;
    const headers = node.get("headers");
    for (let i = 0; headers !== null && i < headers.items.length; i++) {
      if (headers.items[i].text == "*") this.allHeaders = true;
      this.headers.push(new Utf8(headers.items[i].text));
    }
    const properties = node.get("properties");
    for (let i = 0; properties !== null && i < properties.items.length; i++) {
      const p = properties.items[i];
      this.properties.push(new WantedProperty(p.str("name", ""), p.str("type", "string")));
    }
    const metadata = node.get("metadata");
    const seen: string[] = [];
    for (let i = 0; metadata !== null && i < metadata.items.length; i++) {
      const path = metadata.items[i].items;
      if (path.length == 0 || seen.includes(path[0].text)) continue;
      seen.push(path[0].text);
      this.metadataNamespaces.push(new Utf8(path[0].text));
    }
  }

  private readRequest(node: JsonNode): void {
    const r = this.request;
    r.add("", PointerKind.Probe, RequestField.Root);
    r.add("/stream_options", PointerKind.Probe, RequestField.StreamOptionsBegin);
    r.add("/stream_options", PointerKind.Value, RequestField.StreamOptions);
    r.add("/stream_options/include_usage", PointerKind.Value, RequestField.IncludeUsage);
    r.addAll(node.get("model"), PointerKind.Value, RequestField.Model);
    r.addAll(node.get("stream"), PointerKind.Value, RequestField.Stream);
    r.addAll(node.get("maxOutputTokens"), PointerKind.Value, RequestField.MaxOutputTokens);
    r.addAll(node.get("choices"), PointerKind.Value, RequestField.Choices);
    r.addAll(node.get("prompt"), PointerKind.Probe, RequestField.Prompt);
    r.addAll(node.get("body"), PointerKind.Value, RequestField.Body);
    r.seal();
  }

  private readResponse(node: JsonNode): void {
    const r = this.response;
    r.add("/choices", PointerKind.Probe, ResponseField.Choices);
    r.addAll(node.get("usage"), PointerKind.Value, ResponseField.Usage);
    r.addAll(node.get("facts"), PointerKind.Value, ResponseField.Fact);
    r.addAll(node.get("text"), PointerKind.Text, ResponseField.Text);
    r.addAll(node.get("base64"), PointerKind.Base64, ResponseField.Base64);
    r.seal();
    this.usagePointers = r.ofField(ResponseField.Usage);
    this.factPointers = r.ofField(ResponseField.Fact);
    this.textPointers = r.ofField(ResponseField.Text);
    const headers = node.get("headers");
    for (let i = 0; headers !== null && i < headers.items.length; i++) {
      this.responseHeaders.push(new Utf8(headers.items[i].text));
    }
  }

  private readErrors(node: JsonNode | null): void {
    if (node === null) return;
    for (let i = 0; i < node.keys.length; i++) {
      this.errorShapes.push(node.keys[i]);
      this.errorBodies.push(node.items[i].text);
    }
  }
}
