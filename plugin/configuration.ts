import { equals, OwnText, Text, utf8 } from "./abi/text";
import { Ascii } from "./scan/ascii";
import { JsonNode, parseJson } from "./scan/json-tree";
import { ByteWriter } from "./scan/json-write";

const DEFAULT_POLL_INTERVAL_MS = 1000;
const DEFAULT_FLUSH_INTERVAL_MS = 100;
const DEFAULT_BATCH_RECORDS = 100;
const DEFAULT_QUEUE_BYTES = 8 * 1024 * 1024;

/** The plugin configuration: what an operator writes into Envoy's bootstrap or a WasmPlugin. */
export class Configuration {
  /** Envoy cluster of the budget service. */
  cluster: OwnText | null = null;
  authority: OwnText | null = null;
  /** Sent as a bearer token with every call to the service. */
  token: OwnText | null = null;
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

  /** Reads the JSON at `ptr`; look at `problem` after. */
  static parse(ptr: usize, length: i32): Configuration {
    const c = new Configuration();
    problem.reset();
    const root = parseJson(ptr, length);
    if (root === null || root.type != Ascii.OpenBrace) {
      problem.text(utf8("the plugin configuration must be a JSON object"));
      return c;
    }
    for (let i = 0; i < root.keys.length && problem.length == 0; i++) {
      c.read(root.keys[i], root.items[i]);
    }
    if (problem.length == 0 && c.cluster === null) {
      problem.text(utf8("cluster: expected the name of the Envoy cluster of the budget service"));
    }
    return c;
  }

  private read(key: string, value: JsonNode): void {
    if (equals(key, utf8("cluster"))) this.cluster = text(key, value);
    else if (equals(key, utf8("authority"))) this.authority = text(key, value);
    else if (equals(key, utf8("token"))) this.token = text(key, value);
    else if (equals(key, utf8("hold_headers"))) this.holdHeaders = boolean(key, value);
    else if (equals(key, utf8("failure_mode"))) this.failOpen = allowOrDeny(key, value);
    else if (equals(key, utf8("poll_interval_ms"))) {
      this.pollIntervalMs = integer(key, value, 50, 60_000);
    } else if (equals(key, utf8("flush_interval_ms"))) {
      this.flushIntervalMs = integer(key, value, 10, 5000);
    } else if (equals(key, utf8("max_request_body_bytes"))) {
      this.maxRequestBodyBytes = integer(key, value, 0, 1 << 30);
    } else if (equals(key, utf8("settle_batch_records"))) {
      this.batchRecords = integer(key, value, 1, 1000);
    } else if (equals(key, utf8("settle_queue_bytes"))) {
      this.queueBytes = integer(key, value, 1 << 16, 1 << 28);
    } else refuse(key, utf8(": unknown key of the plugin configuration"));
  }
}

/** Why the last configuration is refused; names the key. Empty: it is not. */
export const problem = new ByteWriter();

function refuse(key: string, why: Text): void {
  problem.utf8(key);
  problem.text(why);
}

function text(key: string, value: JsonNode): OwnText | null {
  if (value.type == Ascii.Quote && value.text.length > 0) return OwnText.of(value.text);
  refuse(key, utf8(": expected a string that is not empty"));
  return null;
}

function boolean(key: string, value: JsonNode): bool {
  if (value.type == Ascii.LowerT) return true;
  if (value.type != Ascii.LowerF) refuse(key, utf8(": expected true or false"));
  return false;
}

function allowOrDeny(key: string, value: JsonNode): bool {
  if (value.is(utf8("allow"))) return true;
  if (!value.is(utf8("deny"))) refuse(key, utf8(': expected "allow" or "deny"'));
  return false;
}

function integer(key: string, value: JsonNode, least: i32, most: i32): i32 {
  const number = value.integer(-1);
  if (number >= least && number <= most) return <i32>number;
  refuse(key, utf8(": expected a whole number from "));
  problem.int(least);
  problem.text(utf8(" to "));
  problem.int(most);
  return least;
}
