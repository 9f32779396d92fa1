import {
  Action,
  Body,
  bodyBytes,
  callStatus,
  clearRouteCache,
  continueStream,
  Direction,
  HeaderMap,
  handedLength,
  handedPtr,
  nowMs,
  removeHeader,
  replaceHeader,
  setEffectiveContext,
} from "./abi/host";
import { release } from "./abi/memory";
import { Text, utf8 } from "./abi/text";
import { setLlm, writeAdmit } from "./admission/admit-call";
import { Answer } from "./admission/answer";
import { ApiMatch, isJsonPost, isLlmPost, matchApi } from "./admission/api-path";
import { Asker } from "./admission/ask-queue";
import { RequestHead } from "./admission/attributes";
import { reply, replyTooLarge, replyUnavailable } from "./admission/local-reply";
import { RequestScan } from "./admission/request-scan";
import { rewriteBody } from "./admission/rewrite";
import { FilterConfig } from "./filter-config";
import { litters } from "./garbage";
import { Root } from "./root";
import { ByteWriter } from "./scan/json-write";
import { Exchange } from "./settlement/exchange";

/**
 * Where a request stands. Forward only:
 *
 *   Unmetered ◄── Reading ──► Waiting ──► Asking ──► Forwarded
 *                                │          └──────► Denied
 *                                └─ no filter config yet
 */
const enum Phase {
  Unmetered = 0,
  Reading = 1,
  Waiting = 2,
  Asking = 3,
  Forwarded = 4,
  Denied = 5,
}

/** Bodies are read in pieces of this size, so that a large one never lies in wasm memory whole. */
const SLICE_BYTES = 64 * 1024;
/** About what a stream takes, with its scanner and capture. */
const STREAM_BYTES = 4096;
/** A body that comes this soon after its headers were let go had been held back by the host. */
const AT_ONCE_MS: i64 = 2;

const CONTENT_LENGTH = utf8("content-length");

const scratch = new ByteWriter();

/** One exchange, and the only place that holds or lets go a request. */
export class Stream extends Asker {
  /** Ticks that went by while the headers were held. */
  ticksHeld: i32 = 0;
  private phase: Phase = Phase.Unmetered;
  private head: RequestHead = new RequestHead();
  private config: FilterConfig | null = null;
  private match: ApiMatch | null = null;
  private scan: RequestScan | null = null;
  /** null: the exchange is not metered. */
  private exchange: Exchange | null = null;
  private ownExchange: Exchange = new Exchange();
  private headersHeld: bool = false;
  private freedAtMs: i64 = 0;
  /** The body's length may change: its headers are held, or went without content-length. */
  private lengthIsFree: bool = false;
  private bodyLength: i32 = 0;
  /** Lists of the root that it is in: one that waits for the service may be over before. */
  private places: i32 = 0;

  constructor(readonly root: Root) {
    super();
    litters(STREAM_BYTES);
  }

  /** A new exchange begins, known to the host as `id`. */
  open(id: u32): void {
    this.id = id;
    this.asked = false;
    this.phase = Phase.Unmetered;
    this.headersHeld = false;
    this.freedAtMs = 0;
    this.lengthIsFree = false;
    this.bodyLength = 0;
  }

  /** The exchange is over; false: the stream cannot be used for another one. */
  close(): bool {
    if (this.places > 0) return false;
    this.config = null;
    this.match = null;
    this.exchange = null;
    return this.ownExchange.end();
  }

  onRequestHeaders(endOfStream: bool): Action {
    const head = this.head;
    head.read();
    const config = this.root.filterConfig;
    if (config === null) {
      if (!isLlmPost(head)) return this.ignore();
    } else {
      this.match = matchApi(config.routes, head);
      if (this.match === null && !(config.sniff && isJsonPost(head))) return this.ignore();
    }
    this.config = config;
    this.phase = Phase.Reading;
    if (endOfStream) return this.requestComplete();
    return this.holdOrPass(config);
  }

  /** Holds the headers where the host lets us; elsewhere just the body will be held. */
  private holdOrPass(config: FilterConfig | null): Action {
    const root = this.root;
    if (config !== null) this.scan = RequestScan.take(config, this.match, this.head);
    if (root.configuration.holdHeaders && !root.hostStopsAll) {
      this.headersHeld = true;
      this.lengthIsFree = true;
      if (root.holdsHeaders(this)) this.places++;
      return Action.Pause;
    }
    this.passHeaders();
    return Action.Continue;
  }

  /** Headers go before the body is read: what the filter may change later is settled now. */
  private passHeaders(): void {
    if (this.match === null) return;
    this.begin(nowMs());
    this.head.removeAcceptEncoding();
    removeHeader(HeaderMap.Request, CONTENT_LENGTH);
    this.lengthIsFree = true;
  }

  get isHoldingHeaders(): bool {
    return this.headersHeld && this.phase == Phase.Reading;
  }

  /** Lets headers go whose body has not come: the host may be holding it back. */
  freeHeldHeaders(): void {
    this.headersHeld = false;
    this.lengthIsFree = false;
    this.freedAtMs = nowMs();
    setEffectiveContext(this.id);
    this.passHeaders();
    continueStream(Direction.Request);
    setEffectiveContext(this.root.id);
  }

  onRequestBody(length: i32, endOfStream: bool): Action {
    if (this.phase != Phase.Reading) return this.isHeld ? Action.Pause : Action.Continue;
    const root = this.root;
    if (this.headersHeld) root.hostHonoursHold = true;
    else if (this.freedAtMs != 0 && nowMs() - this.freedAtMs < AT_ONCE_MS) root.learnStopsAll();
    this.freedAtMs = 0;
    this.bodyLength = length;
    const most = root.configuration.maxRequestBodyBytes;
    if (most > 0 && length > most) {
      this.refused();
      replyTooLarge(this.config, this.errorShape, most);
      return Action.Pause;
    }
    this.scanTo(length);
    return endOfStream ? this.requestComplete() : Action.Pause;
  }

  onRequestTrailers(): Action {
    if (this.phase == Phase.Reading) return this.requestComplete();
    return this.isHeld ? Action.Pause : Action.Continue;
  }

  private get isHeld(): bool {
    return this.phase == Phase.Asking || this.phase == Phase.Waiting;
  }

  /** Reads what has come of the body since the last time. */
  private scanTo(length: i32): void {
    const scan = this.scan;
    if (scan === null) return;
    while (scan.scannedBytes < length) {
      const size = min(SLICE_BYTES, length - scan.scannedBytes);
      if (!bodyBytes(Body.Request, scan.scannedBytes, size)) return;
      const slice = handedPtr;
      const got = handedLength;
      if (got > 0) scan.push(slice, got);
      release(slice);
      if (got <= 0) return;
    }
  }

  /** The request is here whole. */
  private requestComplete(): Action {
    this.adoptConfig();
    const config = this.config;
    if (config === null) {
      if (this.root.isUnreachable) return this.unanswered();
      this.phase = Phase.Waiting;
      this.places++;
      this.root.waitsForConfig(this);
      return Action.Pause;
    }
    const scan = this.scan;
    if (scan !== null) scan.end();
    if (this.match === null && (scan === null || !scan.looksLikeLlm)) {
      return this.ignore();
    }
    const now = nowMs();
    this.begin(now);
    return this.ask(now);
  }

  /** The stream began before the first filter config came; it may be there now. */
  private adoptConfig(): void {
    const config = this.root.filterConfig;
    if (this.config !== null || config === null) return;
    this.config = config;
    this.match = matchApi(config.routes, this.head);
    if (this.bodyLength == 0) return;
    this.scan = RequestScan.take(config, this.match, this.head);
    this.scanTo(this.bodyLength);
  }

  /** The first filter config has come, or asking for it has failed. */
  configArrived(): void {
    this.places--;
    if (this.phase != Phase.Waiting) return;
    setEffectiveContext(this.id);
    this.phase = Phase.Reading;
    if (this.requestComplete() == Action.Continue) continueStream(Direction.Request);
    setEffectiveContext(this.root.id);
  }

  /** From here on the exchange is metered: what it is known by is written down. */
  private begin(now: i64): void {
    if (this.exchange !== null) return;
    const exchange = this.ownExchange;
    exchange.begin(this.root.nextNumber(), now, this.config, this.head);
    this.exchange = exchange;
  }

  private ask(now: i64): Action {
    const exchange = this.exchange as Exchange;
    const root = this.root;
    setLlm(exchange.facts, this.match, this.scan, this.lengthIsFree);
    if (this.config === root.filterConfig) {
      const lease = root.leases.admit(exchange.facts, now);
      exchange.lease = lease;
      if (lease !== null) return this.forward(lease.answer);
    }
    if (root.circuit.isOpen || !root.ask(this)) return this.unanswered();
    this.phase = Phase.Asking;
    this.places++;
    return Action.Pause;
  }

  override writeAsk(out: ByteWriter): void {
    const exchange = this.exchange as Exchange;
    const nonce = this.root.nonce;
    writeAdmit(nonce, exchange.number, exchange.facts, exchange.requestId, null, out);
  }

  override onAnswer(answer: Answer | null): void {
    const exchange = this.exchange as Exchange;
    this.places--;
    if (answer !== null) this.root.takeLease(answer, exchange.facts, this.config);
    if (this.phase != Phase.Asking) return;
    setEffectiveContext(this.id);
    let action: Action;
    if (answer === null) action = this.unanswered();
    else if (answer.allowed) action = this.forward(answer);
    else action = this.deny(answer);
    if (action == Action.Continue) continueStream(Direction.Request);
    setEffectiveContext(this.root.id);
  }

  private deny(answer: Answer): Action {
    this.phase = Phase.Denied;
    this.exchange = null;
    reply(answer.denyStatus, answer.denyHeaders, answer.denyBody);
    return Action.Pause;
  }

  /** The service cannot be asked: the failure mode decides. What passes is settled later. */
  private unanswered(): Action {
    const config = this.config;
    const failOpen = config === null ? this.root.configuration.failOpen : config.failOpen;
    if (failOpen) {
      this.begin(nowMs());
      setLlm((this.exchange as Exchange).facts, this.match, this.scan, this.lengthIsFree);
      return this.forward(null);
    }
    this.refused();
    replyUnavailable(config, this.errorShape);
    return Action.Pause;
  }

  private get errorShape(): Text {
    const match = this.match;
    return match === null ? utf8("") : match.route.errorShape.text;
  }

  /** The filter answers in the upstream's place. */
  private refused(): void {
    this.phase = Phase.Denied;
    this.headersHeld = false;
  }

  /** Lets the request go, changed as far as the answer or the API's streams ask for it. */
  private forward(answer: Answer | null): Action {
    this.phase = Phase.Forwarded;
    const exchange = this.exchange as Exchange;
    exchange.forwarded = true;
    this.rewrite(answer, exchange);
    if (this.headersHeld) this.head.removeAcceptEncoding();
    if (answer !== null) {
      if (exchange.lease === null) exchange.reservation = answer.reservation;
      exchange.cut = answer.cut;
      exchange.responseHeadersToSet = answer.responseHeaders;
      const headers = answer.requestHeaders;
      if (headers !== null) headers.setIn(HeaderMap.Request);
    }
    this.headersHeld = false;
    this.dropScan();
    return Action.Continue;
  }

  private rewrite(answer: Answer | null, exchange: Exchange): void {
    const scan = this.scan;
    if (scan === null || !scan.isObject || !this.lengthIsFree) return;
    const grown = rewriteBody(scan, this.match, answer, exchange);
    if (!this.headersHeld) return;
    if (grown != 0 && this.head.hasContentLength) {
      scratch.reset();
      scratch.int(this.bodyLength + grown);
      replaceHeader(HeaderMap.Request, CONTENT_LENGTH, scratch);
    }
    if (exchange.modelSent != "") clearRouteCache();
  }

  private dropScan(): void {
    const scan = this.scan;
    const config = this.config;
    if (scan !== null && config !== null) scan.giveBack(config);
    this.scan = null;
  }

  private ignore(): Action {
    this.phase = Phase.Unmetered;
    this.headersHeld = false;
    this.exchange = null;
    this.dropScan();
    this.head.free();
    return Action.Continue;
  }

  onResponseHeaders(endOfStream: bool): void {
    const exchange = this.exchange;
    if (exchange !== null) exchange.responseHeaders(endOfStream);
  }

  onResponseBody(length: i32, endOfStream: bool): void {
    const exchange = this.exchange;
    if (exchange !== null) exchange.responseBody(length, endOfStream);
  }

  onResponseTrailers(): void {
    const exchange = this.exchange;
    if (exchange !== null) exchange.responseTrailers();
  }

  /** The stream is over, however it ended. Settles every exchange that was asked or let go. */
  onLog(): void {
    const root = this.root;
    this.dropScan();
    this.head.free();
    if (this.phase == Phase.Asking) root.asksNoMore(this);
    const exchange = this.exchange;
    this.phase = Phase.Unmetered;
    if (exchange === null || !(this.asked || exchange.forwarded)) return;
    const now = nowMs();
    exchange.writeSettlement(root.nonce, now, scratch);
    root.queue.push(scratch);
    const lease = exchange.lease;
    if (lease !== null) lease.open--;
    if (root.queue.isBatchFull && !root.circuit.isOpen) {
      setEffectiveContext(root.id);
      root.queue.flush(now);
    }
  }
}
