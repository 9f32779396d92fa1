import { httpCall } from "./abi/host";
import { PairWriter } from "./abi/pairs";
import { Text, utf8 } from "./abi/text";
import { Configuration } from "./configuration";
import { ByteWriter } from "./scan/json-write";

const CONFIG_TIMEOUT_MS = 2000;
const SETTLE_TIMEOUT_MS = 5000;
const POST = utf8("POST");

const field = new ByteWriter();

/** The three calls to the budget service. Each returns the call's token; 0: could not be sent. */
export class ServiceClient {
  private admitHeaders: PairWriter = new PairWriter();
  private settleHeaders: PairWriter = new PairWriter();
  private configHeaders: PairWriter = new PairWriter();

  constructor(private configuration: Configuration) {
    this.writeHead(this.admitHeaders, POST, utf8("/v1/admit"));
    this.writeHead(this.settleHeaders, POST, utf8("/v1/settle"));
  }

  admit(body: usize, length: i32, timeoutMs: i32): u32 {
    return this.send(this.admitHeaders, body, length, timeoutMs);
  }

  settle(body: usize, length: i32): u32 {
    return this.send(this.settleHeaders, body, length, SETTLE_TIMEOUT_MS);
  }

  /** version: the one that is known already, so that the service can answer 304. */
  filterConfig(version: string): u32 {
    const pairs = this.configHeaders;
    this.writeHead(pairs, utf8("GET"), utf8("/v1/filter-config"));
    if (version != "") {
      field.reset();
      field.byte(0x22);
      field.utf8(version);
      field.byte(0x22);
      pairs.text(utf8("if-none-match"));
      pairs.raw(field.ptr, field.length);
      pairs.encode();
    }
    return this.send(pairs, 0, 0, CONFIG_TIMEOUT_MS);
  }

  private writeHead(pairs: PairWriter, method: Text, path: Text): void {
    const authority = this.configuration.authority;
    const token = this.configuration.token;
    pairs.reset();
    pairs.pair(utf8(":method"), method);
    pairs.pair(utf8(":path"), path);
    pairs.pair(utf8(":authority"), authority === null ? utf8("tollgate") : authority.text);
    if (token !== null) {
      field.reset();
      field.text(utf8("Bearer "));
      field.text(token.text);
      pairs.text(utf8("authorization"));
      pairs.raw(field.ptr, field.length);
    }
    if (method == POST) pairs.pair(utf8("content-type"), utf8("application/json"));
    pairs.encode();
  }

  private send(pairs: PairWriter, body: usize, length: i32, timeoutMs: i32): u32 {
    const cluster = this.configuration.cluster;
    if (cluster === null) return 0;
    return httpCall(cluster.text, pairs.ptr, pairs.length, body, length, timeoutMs);
  }
}
