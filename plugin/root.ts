import {
  Body,
  bodyBytes,
  callStatus,
  handedLength,
  handedPtr,
  LogLevel,
  log,
  nextShared,
  nowMs,
  nowNanos,
  propertyText,
  setEffectiveContext,
  setTickPeriod,
} from "./abi/host";
import { release, Utf8 } from "./abi/memory";
import { Circuit } from "./circuit";
import { Configuration } from "./configuration";
import { FilterConfig } from "./filter-config";
import { ServiceClient } from "./service-client";
import { SettlementQueue } from "./settlement/queue";
import { Stream } from "./stream";

/** Until the first filter config is there, the root asks for it this often. */
const FIRST_POLL_MS = 10;
/** While the circuit is open, the service is probed this often. */
const PROBE_MS: i64 = 250;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

const WORKER_KEY = new Utf8("tollgate.worker");
const NODE_ID = new Utf8("xds\0node\0id");

/** One plugin configuration in one worker: what all its streams share. */
export class Root {
  configuration: Configuration = new Configuration();
  /** null until the service has told it. */
  filterConfig: FilterConfig | null = null;
  service: ServiceClient = new ServiceClient(this.configuration);
  circuit: Circuit = new Circuit();
  queue: SettlementQueue = new SettlementQueue(this.configuration, this.service);
  /**
   * This host stops all callbacks of a stream whose headers are held, although the configuration
   * says otherwise: found out by a held stream whose body never came.
   */
  hostStopsAll: bool = false;
  /** A body has come while headers were held: this host does as it is configured. */
  hostHonoursHold: bool = false;
  /** Streams by the token of their admit call. Envoy answers the root, whoever called. */
  private asking: Map<u32, Stream> = new Map<u32, Stream>();
  /** Streams whose headers are held until their body comes. */
  private holding: Stream[] = [];
  /** Streams that came before the first filter config. */
  private waiting: Stream[] = [];
  private nonce: string = "";
  private counter: u64 = 0;
  private pollToken: u32 = 0;
  private nextPollMs: i64 = 0;
  /** Polls that got no answer before the first filter config came. */
  private failedFirstPolls: i32 = 0;

  constructor(readonly id: u32) {}

  /** Reads the plugin configuration; false refuses to start. */
  configure(length: i32): bool {
    if (!bodyBytes(Body.PluginConfiguration, 0, length)) {
      log(LogLevel.Error, "no plugin configuration; it must be a JSON object with a cluster");
      return false;
    }
    const ptr = handedPtr;
    const configuration = Configuration.parse(ptr, handedLength);
    release(ptr);
    if (configuration.problem != "") {
      log(LogLevel.Error, configuration.problem);
      return false;
    }
    this.configuration = configuration;
    this.service = new ServiceClient(configuration);
    this.queue = new SettlementQueue(configuration, this.service);
    this.nonce = this.makeNonce();
    setTickPeriod(FIRST_POLL_MS);
    return true;
  }

  /** Time to poll, to settle, and to free streams that the host holds by mistake. */
  tick(): void {
    const now = nowMs();
    this.pollIfDue(now);
    if (!this.circuit.isOpen) this.queue.flush(now);
    this.freeStuckStreams();
  }

  /** An answer to a call of the root or of one of its streams. headers 0: none came. */
  callAnswered(token: u32, headers: i32, length: i32): void {
    if (this.asking.has(token)) {
      const stream = this.asking.get(token);
      this.asking.delete(token);
      setEffectiveContext(stream.id);
      stream.onAdmitAnswer(headers, length);
      setEffectiveContext(this.id);
      return;
    }
    const status = callStatus(headers);
    const now = nowMs();
    if (this.queue.isMine(token)) {
      if (status == 0) this.circuit.fail();
      this.queue.answered(status, now);
    } else if (token == this.pollToken) {
      this.pollToken = 0;
      this.polled(status, length, now);
    }
  }

  /** Remembers who waits for the answer to an admit call. */
  asks(token: u32, stream: Stream): void {
    this.asking.set(token, stream);
  }

  /** The stream is over and no answer can help it. */
  asksNoMore(token: u32): void {
    this.asking.delete(token);
  }

  /** A key that no other exchange ever has, whatever clients send. */
  nextId(): string {
    this.counter++;
    return `${this.nonce}-${this.counter.toString(36)}`;
  }

  /** Remembers a stream whose headers are held; the body callback should come within a tick. */
  holdsHeaders(stream: Stream): void {
    if (!this.hostHonoursHold) this.holding.push(stream);
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
    if (status == 200 || status == 304) {
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
    release(ptr);
    if (config === null) {
      log(LogLevel.Error, "the service sent a filter config that cannot be read; keeping the last");
      return;
    }
    const isFirst = this.filterConfig === null;
    this.filterConfig = config;
    log(LogLevel.Info, `filter config ${config.version} in force`);
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
    log(
      LogLevel.Warn,
      "hold_headers is set but no body came while headers were held: is " +
        "allow_on_headers_stop_iteration missing in the plugin's configuration?",
    );
  }

  private makeNonce(): string {
    const worker = nextShared(WORKER_KEY);
    const node = propertyText(NODE_ID);
    let hash: u64 = 0xcbf29ce484222325;
    for (let i = 0; i < node.length; i++) {
      hash = (hash ^ <u64>node.charCodeAt(i)) * 0x100000001b3;
    }
    hash = (hash ^ worker) * 0x100000001b3;
    return `${nowNanos().toString(36)}-${hash.toString(36)}`;
  }
}
