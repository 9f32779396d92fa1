import { JsonNode, parseJson } from "./scan/json-tree";

const DEFAULT_POLL_INTERVAL_MS = 1000;
const DEFAULT_FLUSH_INTERVAL_MS = 100;
const DEFAULT_BATCH_RECORDS = 100;
const DEFAULT_QUEUE_BYTES = 8 * 1024 * 1024;

/** The plugin configuration: what an operator writes into Envoy's bootstrap or a WasmPlugin. */
export class Configuration {
  /** Envoy cluster of the budget service. */
  cluster: string = "";
  authority: string = "tollgate";
  /** Sent as a bearer token with every call to the service. */
  token: string = "";
  /**
   * Hold request headers until the body is read. Only where Envoy's plugin configuration has
   * allow_on_headers_stop_iteration: true; elsewhere just the body is held.
   */
  holdHeaders: bool = false;
  /** What happens to a metered request before the first filter config has come. */
  failOpen: bool = false;
  pollIntervalMs: i32 = DEFAULT_POLL_INTERVAL_MS;
  flushIntervalMs: i32 = DEFAULT_FLUSH_INTERVAL_MS;
  /** 0: Envoy's own buffer limit is the only one. */
  maxRequestBodyBytes: i32 = 0;
  batchRecords: i32 = DEFAULT_BATCH_RECORDS;
  queueBytes: i32 = DEFAULT_QUEUE_BYTES;

  /** Why the configuration is refused; names the key. Empty: it is not. */
  problem: string = "";

  /** Reads the JSON at `ptr`; look at `problem` after. */
  static parse(ptr: usize, length: i32): Configuration {
    const c = new Configuration();
    const root = parseJson(ptr, length);
    if (root === null || root.type != CharCode.BraceOpen) {
      c.problem = "the plugin configuration must be a JSON object";
      return c;
    }
    for (let i = 0; i < root.keys.length && c.problem == ""; i++) {
      c.read(root.keys[i], root.items[i]);
    }
    if (c.problem == "" && c.cluster == "") {
      c.problem = "cluster: expected the name of the Envoy cluster of the budget service";
    }
    return c;
  }

  private read(key: string, value: JsonNode): void {
    if (key == "cluster") this.cluster = this.string(key, value);
    else if (key == "authority") this.authority = this.string(key, value);
    else if (key == "token") this.token = this.string(key, value);
    else if (key == "hold_headers") this.holdHeaders = this.boolean(key, value);
    else if (key == "failure_mode") this.failOpen = this.allowOrDeny(key, value);
    else if (key == "poll_interval_ms") this.pollIntervalMs = this.integer(key, value, 50, 60_000);
    else if (key == "flush_interval_ms") this.flushIntervalMs = this.integer(key, value, 10, 5000);
    else if (key == "max_request_body_bytes") {
      this.maxRequestBodyBytes = this.integer(key, value, 0, 1 << 30);
    } else if (key == "settle_batch_records") {
      this.batchRecords = this.integer(key, value, 1, 1000);
    } else if (key == "settle_queue_bytes") {
      this.queueBytes = this.integer(key, value, 1 << 16, 1 << 28);
    } else this.problem = `${key}: unknown key of the plugin configuration`;
  }

  private string(key: string, value: JsonNode): string {
    if (value.type == CharCode.Quote && value.text.length > 0) return value.text;
    this.problem = `${key}: expected a string that is not empty`;
    return "";
  }

  private boolean(key: string, value: JsonNode): bool {
    if (value.type == CharCode.T) return true;
    if (value.type != CharCode.F) this.problem = `${key}: expected true or false`;
    return false;
  }

  private allowOrDeny(key: string, value: JsonNode): bool {
    if (value.type == CharCode.Quote && value.text == "allow") return true;
    if (value.type != CharCode.Quote || value.text != "deny") {
      this.problem = `${key}: expected "allow" or "deny"`;
    }
    return false;
  }

  private integer(key: string, value: JsonNode, least: i32, most: i32): i32 {
    const isNumber = value.type == CharCode.Zero && isPlain(value.text);
    const number = isNumber ? i64.parse(value.text) : -1;
    if (number < least || number > most) {
      this.problem = `${key}: expected a whole number from ${least} to ${most}`;
      return least;
    }
    return <i32>number;
  }
}

/** Digits only, and not more than an i64 holds. */
function isPlain(number: string): bool {
  for (let i = 0; i < number.length; i++) {
    const code = number.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return number.length > 0 && number.length < 18;
}

/** First bytes by which JsonNode tells its type. */
const enum CharCode {
  Quote = 0x22,
  Zero = 0x30,
  BraceOpen = 0x7b,
  F = 0x66,
  T = 0x74,
}
