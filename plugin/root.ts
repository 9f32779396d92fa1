import {
  Body,
  bodyBytes,
  callStatus,
  done,
  handedLength,
  handedPtr,
  LogLevel,
  log,
  logBytes,
  nextShared,
  nowMs,
  nowNanos,
  property,
  setTickPeriod,
} from "./abi/host";
import { release } from "./abi/memory";
import { utf8 } from "./abi/text";
import { Answer } from "./admission/answer";
import { Asker, AskQueue } from "./admission/ask-queue";
import { Lease } from "./admission/lease";
import { LeaseTable } from "./admission/lease-table";
import { RequestFacts } from "./admission/request-facts";
import { Circuit } from "./circuit";
import { Configuration, problem } from "./configuration";
import { Context } from "./context";
import { FilterConfig } from "./filter-config";
import { BYTES_PER_JSON_BYTE, litters } from "./garbage";
import { ByteWriter } from "./scan/json-write";
import { ServiceClient } from "./service-client";
import { Bytes } from "./settlement/captured";
import { SettlementQueue } from "./settlement/queue";
import { Stream } from "./stream";
import { StreamPool } from "./stream-pool";

/** Until the first filter config is there, the root asks for it this often. */
const FIRST_POLL_MS = 10;
/** While the circuit is open, the service is probed this often. */
const PROBE_MS: i64 = 250;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

const WORKER_KEY = utf8("tollgate.worker");
const UNREADABLE = utf8("the service sent a filter config that cannot be read");
const NOT_HELD = utf8(
  "hold_headers is set but no body came while headers were held: is " +
    "allow_on_headers_stop_iteration missing?",
);
const NODE_ID = utf8("xds\0node\0id");

const line = new ByteWriter();

/** One plugin configuration in one worker: what all its streams share. */
export class Root extends Context {
  configuration: Configuration = new Configuration();
  /** null until the service has told it. */
  filterConfig: FilterConfig | null = null;
  service!: ServiceClient;
  circuit: Circuit = new Circuit();
  queue!: SettlementQueue;
  leases!: LeaseTable;
  /**
   * This host stops all callbacks of a stream whose headers are held, although the configuration
   * says otherwise: found out by a held stream whose body never came.
   */
  hostStopsAll: bool = false;
  /** A body has come while headers were held: this host does as it is configured. */
  hostHonoursHold: bool = false;
  /** Streams whose headers are held until their body comes. */
  private holding: Stream[] = [];
  /** Streams that came before the first filter config. */
  private waiting: Stream[] = [];
  /** Begins the ids of all its exchanges, a JSON string that is not closed. */
  nonce: Bytes = new Bytes(0, 0);
  private asks!: AskQueue;
  private counter: u64 = 0;
  /** The host waits for the last settlements of this root. */
  private closing: bool = false;
  private pollToken: u32 = 0;
  private nextPollMs: i64 = 0;
  /** Polls that got no answer before the first filter config came. */
  private failedFirstPolls: i32 = 0;

  readonly streams!: StreamPool;

  constructor(id: u32) {
    super();
    this.id = id;
    this.streams = new StreamPool(this);
  }

  /** Reads the plugin configuration; false refuses to start. */
  configure(length: i32): bool {
    if (!bodyBytes(Body.PluginConfiguration, 0, length)) {
      log(LogLevel.Error, utf8("the plugin configuration must be a JSON object"));
      return false;
    }
    const ptr = handedPtr;
    const configuration = Configuration.parse(ptr, handedLength);
    release(ptr);
    if (problem.length > 0) {
      logBytes(LogLevel.Error, problem.ptr, problem.length);
      return false;
    }
    this.configuration = configuration;
    this.service = new ServiceClient(configuration);
    this.queue = new SettlementQueue(configuration, this.service);
    this.leases = new LeaseTable(this.queue);
    this.asks = new AskQueue(this.service, this.circuit);
    this.nonce = makeNonce();
    setTickPeriod(FIRST_POLL_MS);
    return true;
  }

  /** Time to poll, to settle, and to free streams that the host holds by mistake. */
  tick(): void {
    const now = nowMs();
    this.pollIfDue(now);
    this.leases.sweep(now);
    if (!this.circuit.isOpen) this.queue.flush(now);
    this.freeStuckStreams();
  }

  /**
   * An answer to a call of the root or of one of its streams. headers 0: none came. Returns whether
   * it was the last that the root waited for to end.
   */
  callAnswered(token: u32, headers: i32, length: i32): bool {
    if (this.asks.answered(token, headers, length, this.admitTimeoutMs)) return false;
    const status = callStatus(headers);
    const now = nowMs();
    if (this.queue.isMine(token)) {
      if (status == 0) this.circuit.fail();
      this.queue.answered(status, now);
      if (this.closing && !this.queue.isBusy) {
        done();
        return true;
      }
    } else if (token == this.pollToken) {
      this.pollToken = 0;
      this.polled(status, length, now);
    }
    return false;
  }

  /** Asks the service; false: it cannot be asked. Envoy answers the root, whoever calls. */
  ask(asker: Asker): bool {
    return this.asks.ask(asker, this.admitTimeoutMs);
  }

  /** The stream is over and no answer can help it. */
  asksNoMore(asker: Asker): void {
    this.asks.forget(asker);
  }

  private get admitTimeoutMs(): i32 {
    const config = this.filterConfig;
    return config === null ? 0 : config.admitTimeoutMs;
  }

  /** Takes the lease that came with an answer to a request that was read by `config`, if any. */
  takeLease(answer: Answer, facts: RequestFacts, config: FilterConfig | null): void {
    const terms = answer.lease;
    if (terms === null) return;
    const own = new RequestFacts();
    own.copyFrom(facts);
    const lease = new Lease(this, terms, answer, own, config, nowMs());
    if (config === this.filterConfig) this.leases.put(lease);
    else this.queue.giveBack(lease);
  }

  /** The host wants to end this root; false: it has to wait until `done` is called. */
  close(): bool {
    this.leases.sweep(i64.MAX_VALUE);
    this.circuit.end();
    this.queue.drain(nowMs());
    this.closing = this.queue.isBusy;
    return !this.closing;
  }

  /** Numbers the exchanges of this root. */
  nextNumber(): u64 {
    return ++this.counter;
  }

  /**
   * Remembers a stream whose headers are held, until it is known that this host delivers a body
   * then; returns whether it does.
   */
  holdsHeaders(stream: Stream): bool {
    if (this.hostHonoursHold) return false;
    this.holding.push(stream);
    return true;
  }

  /** Remembers a stream that came before the first filter config. */
  waitsForConfig(stream: Stream): void {
    this.waiting.push(stream);
  }

  /** No filter config has come yet and asking for it has failed: the failure mode applies. */
  get isUnreachable(): bool {
    return this.filterConfig === null && this.failedFirstPolls > 0;
  }

  private pollIfDue(now: i64): void {
    if (this.pollToken != 0 || now < this.nextPollMs) return;
    const config = this.filterConfig;
    this.pollToken = this.service.filterConfig(config === null ? "" : config.version);
    this.nextPollMs = now + this.configuration.pollIntervalMs;
    if (this.pollToken == 0) this.polled(0, 0, now);
  }

  private polled(status: i32, length: i32, now: i64): void {
    if (status == 200) this.readFilterConfig(length);
    // Until one can be read the service is as good as away.
    if (this.filterConfig !== null && (status == 200 || status == 304)) {
      if (this.circuit.succeed()) this.queue.retryNow(now);
      return;
    }
    if (this.filterConfig === null) this.failedFirstPolls++;
    else if (status == 0) this.circuit.fail();
    this.nextPollMs = now + PROBE_MS;
    if (this.filterConfig === null) this.resumeWaiting();
  }

  private readFilterConfig(length: i32): void {
    if (length > MAX_CONFIG_BYTES || !bodyBytes(Body.CallResponse, 0, length)) return;
    const ptr = handedPtr;
    const config = FilterConfig.parse(ptr, handedLength);
    litters(handedLength * BYTES_PER_JSON_BYTE);
    release(ptr);
    if (config === null) {
      log(LogLevel.Error, UNREADABLE);
      return;
    }
    const isFirst = this.filterConfig === null;
    // They were granted by the policies that were in force until now.
    this.leases.sweep(i64.MAX_VALUE);
    this.filterConfig = config;
    line.reset();
    line.text(utf8("filter config "));
    line.utf8(config.version);
    line.text(utf8(" in force"));
    logBytes(LogLevel.Info, line.ptr, line.length);
    if (isFirst) setTickPeriod(this.configuration.flushIntervalMs);
    this.resumeWaiting();
  }

  private resumeWaiting(): void {
    const streams = this.waiting;
    this.waiting = [];
    for (let i = 0; i < streams.length; i++) streams[i].configArrived();
  }

  /**
   * Until a body has come while headers were held, it is not known whether this host delivers one.
   * A stream that is held for two ticks is let go then: whether its body comes at once shows what
   * the host does (see Stream.freeHeldHeaders).
   */
  private freeStuckStreams(): void {
    if (this.holding.length == 0) return;
    const still: Stream[] = [];
    for (let i = 0; i < this.holding.length && !this.hostHonoursHold; i++) {
      const stream = this.holding[i];
      if (!stream.isHoldingHeaders) continue;
      if (stream.ticksHeld++ == 0) still.push(stream);
      else stream.freeHeldHeaders();
    }
    this.holding = still;
  }

  /** A held stream's body came as soon as its headers were let go: the host had stopped it. */
  learnStopsAll(): void {
    if (this.hostStopsAll || this.hostHonoursHold) return;
    this.hostStopsAll = true;
    log(LogLevel.Warn, NOT_HELD);
  }
}

/** Unlike any other of this Envoy, of another, or of this worker before. */
function makeNonce(): Bytes {
  let hash: u64 = 0xcbf29ce484222325;
  if (property(NODE_ID)) {
    for (let i = 0; i < handedLength; i++) {
      hash = (hash ^ <u64>load<u8>(handedPtr + <usize>i)) * 0x100000001b3;
    }
    release(handedPtr);
  }
  hash = (hash ^ nextShared(WORKER_KEY)) * 0x100000001b3;
  line.reset();
  line.byte(0x22);
  line.int(<i64>nowNanos());
  line.byte(0x2d);
  line.int(<i64>(hash >> 1));
  line.byte(0x2d);
  return new Bytes(line.ptr, line.length);
}
