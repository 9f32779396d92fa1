import { httpCall } from "./abi/host";
import { Utf8 } from "./abi/memory";
import { PairWriter } from "./abi/pairs";
import { Configuration } from "./configuration";

const CONFIG_TIMEOUT_MS = 2000;
const SETTLE_TIMEOUT_MS = 5000;

/** The three calls to the budget service. Each returns the call's token; 0: could not be sent. */
export class ServiceClient {
  private cluster: Utf8;
  private admitHeaders: PairWriter;
  private settleHeaders: PairWriter;

  constructor(private configuration: Configuration) {
    this.cluster = new Utf8(configuration.cluster);
    this.admitHeaders = post(configuration, "/v1/admit");
    this.settleHeaders = post(configuration, "/v1/settle");
  }

  admit(body: usize, length: i32, timeoutMs: i32): u32 {
    return this.send(this.admitHeaders, body, length, timeoutMs);
  }

  settle(body: usize, length: i32): u32 {
    return this.send(this.settleHeaders, body, length, SETTLE_TIMEOUT_MS);
  }

  /** version: the one that is known already, so that the service can answer 304. */
  filterConfig(version: string): u32 {
    const pairs = head(this.configuration, "GET", "/v1/filter-config");
    if (version != "") pairs.add("if-none-match", `"${version}"`);
    pairs.encode();
    return this.send(pairs, 0, 0, CONFIG_TIMEOUT_MS);
  }

  private send(pairs: PairWriter, body: usize, length: i32, timeoutMs: i32): u32 {
    return httpCall(this.cluster, pairs.ptr, pairs.length, body, length, timeoutMs);
  }
}

function post(configuration: Configuration, path: string): PairWriter {
  const pairs = head(configuration, "POST", path);
  pairs.add("content-type", "application/json");
  pairs.encode();
  return pairs;
}

function head(configuration: Configuration, method: string, path: string): PairWriter {
  const pairs = new PairWriter();
  pairs.add(":method", method);
  pairs.add(":path", path);
  pairs.add(":authority", configuration.authority);
  const token = configuration.token;
  if (token != "") pairs.add("authorization", `Bearer ${token}`);
  return pairs;
}
