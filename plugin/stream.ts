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
  replaceHeaderText,
  setEffectiveContext,
} from "./abi/host";
import { release, Utf8 } from "./abi/memory";
import { writeAdmit, writeLlm } from "./admission/admit-call";
import { Answer } from "./admission/answer";
import { ApiMatch, matchApi } from "./admission/api-path";
import { RequestHead } from "./admission/attributes";
import { reply, replyError } from "./admission/local-reply";
import { RequestScan } from "./admission/request-scan";
import { BodyEdits } from "./admission/rewrite";
import { FilterConfig } from "./filter-config";
import { Root } from "./root";
import { ByteWriter } from "./scan/json-write";
import { Bytes } from "./settlement/captured";
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
/** A body that comes this soon after its headers were let go had been held back by the host. */
const AT_ONCE_MS: i64 = 2;

const ACCEPT_ENCODING = new Utf8("accept-encoding");
const CONTENT_LENGTH = new Utf8("content-length");

const scratch = new ByteWriter();

/** One exchange, and the only place that holds or lets go a request. */
export class Stream {
  /** Ticks that went by while the headers were held. */
  ticksHeld: i32 = 0;
  private phase: Phase = Phase.Unmetered;
  private head: RequestHead = new RequestHead();
  private config: FilterConfig | null = null;
  private match: ApiMatch | null = null;
  private scan: RequestScan | null = null;
  private exchange: Exchange | null = null;
  private headersHeld: bool = false;
  private freedAtMs: i64 = 0;
  /** The body's length may change: its headers are held, or went without content-length. */
  private lengthIsFree: bool = false;
  private bodyLength: i32 = 0;
  private askToken: u32 = 0;

  constructor(
    readonly id: u32,
    private root: Root,
  ) {}

  onRequestHeaders(endOfStream: bool): Action {
    const head = this.head;
    head.read();
    const config = this.root.filterConfig;
    const isJsonPost = head.method == "POST" && head.contentType.includes("json");
    if (config === null) {
      if (!isJsonPost) return this.ignore();
    } else {
      this.match = matchApi(config.routes, head.method, head.path);
      if (this.match === null && !(config.sniff && isJsonPost)) return this.ignore();
    }
    this.config = config;
    this.phase = Phase.Reading;
    if (endOfStream) return this.requestComplete();
    return this.holdOrPass(config);
  }

  /** Holds the headers where the host lets us; elsewhere just the body will be held. */
  private holdOrPass(config: FilterConfig | null): Action {
    const root = this.root;
    if (config !== null) this.scan = new RequestScan(config);
    if (root.configuration.holdHeaders && !root.hostStopsAll) {
      this.headersHeld = true;
      this.lengthIsFree = true;
      root.holdsHeaders(this);
      return Action.Pause;
    }
    this.passHeaders();
    return Action.Continue;
  }

  /** Headers go before the body is read: what the filter may change later is settled now. */
  private passHeaders(): void {
    if (this.match === null) return;
    this.begin();
    removeHeader(HeaderMap.Request, ACCEPT_ENCODING.ptr, ACCEPT_ENCODING.length);
    removeHeader(HeaderMap.Request, CONTENT_LENGTH.ptr, CONTENT_LENGTH.length);
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
    if (most > 0 && length > most) return this.refuseTooLarge(most);
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
      this.root.waitsForConfig(this);
      return Action.Pause;
    }
    const scan = this.scan;
    if (scan !== null) scan.end();
    if (this.match === null && (scan === null || !scan.looksLikeLlm)) {
      return this.ignore();
    }
    this.begin();
    return this.ask();
  }

  /** The stream began before the first filter config came; it may be there now. */
  private adoptConfig(): void {
    const config = this.root.filterConfig;
    if (this.config !== null || config === null) return;
    this.config = config;
    this.match = matchApi(config.routes, this.head.method, this.head.path);
    if (this.bodyLength == 0) return;
    this.scan = new RequestScan(config);
    this.scanTo(this.bodyLength);
  }

  /** The first filter config has come, or asking for it has failed. */
  configArrived(): void {
    if (this.phase != Phase.Waiting) return;
    setEffectiveContext(this.id);
    this.phase = Phase.Reading;
    if (this.requestComplete() == Action.Continue) continueStream(Direction.Request);
    setEffectiveContext(this.root.id);
  }

  /** From here on the exchange is metered: what it is known by is written down. */
  private begin(): void {
    if (this.exchange !== null) return;
    const exchange = new Exchange(this.root.nextId(), this.head.requestId, nowMs());
    const config = this.config;
    scratch.reset();
    if (config !== null) this.head.writeAttributes(config, scratch);
    else this.head.writeAttributes(new FilterConfig(), scratch);
    this.head.free();
    exchange.attributes = new Bytes(scratch.ptr, scratch.length);
    exchange.config = config;
    this.exchange = exchange;
  }

  private ask(): Action {
    const exchange = this.exchange as Exchange;
    this.writeDownLlm();
    if (this.root.circuit.isOpen) return this.unanswered();
    writeAdmit(exchange.id, exchange.attributes, exchange.llm, scratch);
    const timeoutMs = (this.config as FilterConfig).admitTimeoutMs;
    const token = this.root.service.admit(scratch.ptr, scratch.length, timeoutMs);
    if (token == 0) {
      this.root.circuit.fail();
      return this.unanswered();
    }
    this.root.asks(token, this);
    this.askToken = token;
    exchange.asked = true;
    this.phase = Phase.Asking;
    return Action.Pause;
  }

  private writeDownLlm(): void {
    scratch.reset();
    writeLlm(this.match, this.scan, scratch);
    (this.exchange as Exchange).llm = new Bytes(scratch.ptr, scratch.length);
  }

  /** The answer to the admit call; headers 0: none came. */
  onAdmitAnswer(headers: i32, length: i32): void {
    if (this.phase != Phase.Asking) return;
    const status = callStatus(headers);
    let answer: Answer | null = null;
    if (status == 200 && bodyBytes(Body.CallResponse, 0, length)) {
      const ptr = handedPtr;
      answer = Answer.parse(ptr, handedLength);
      release(ptr);
    }
    if (status == 0) this.root.circuit.fail();
    let action: Action;
    if (answer === null) action = this.unanswered();
    else if (answer.allowed) action = this.forward(answer);
    else action = this.deny(answer);
    if (action == Action.Continue) continueStream(Direction.Request);
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
      this.begin();
      this.writeDownLlm();
      return this.forward(null);
    }
    this.refuse(
      503,
      "budget_service_unavailable",
      "The budget service does not answer, and the policies in force deny requests then.",
    );
    return Action.Pause;
  }

  private refuseTooLarge(most: i32): Action {
    this.refuse(
      413,
      "request_too_large",
      `The request body is larger than the ${most} bytes that this gateway takes.`,
    );
    return Action.Pause;
  }

  private refuse(status: i32, code: string, message: string): void {
    const config = this.config === null ? new FilterConfig() : (this.config as FilterConfig);
    const match = this.match;
    const shape = match === null ? "" : match.route.errorShape;
    this.phase = Phase.Denied;
    this.headersHeld = false;
    replyError(status, config.errorBody(shape), config.errorType(shape, status), code, message);
  }

  /** Lets the request go, changed as far as the answer or the API's streams ask for it. */
  private forward(answer: Answer | null): Action {
    this.phase = Phase.Forwarded;
    const exchange = this.exchange as Exchange;
    exchange.forwarded = true;
    this.rewriteBody(answer, exchange);
    if (this.headersHeld) {
      removeHeader(HeaderMap.Request, ACCEPT_ENCODING.ptr, ACCEPT_ENCODING.length);
    }
    if (answer !== null) {
      exchange.reservation = answer.reservation;
      exchange.responseHeadersToSet = answer.responseHeaders;
      const headers = answer.requestHeaders;
      for (let i = 0; headers !== null && i < headers.keys.length; i++) {
        replaceHeaderText(HeaderMap.Request, headers.keys[i], headers.items[i].text);
      }
    }
    this.headersHeld = false;
    this.scan = null;
    return Action.Continue;
  }

  private rewriteBody(answer: Answer | null, exchange: Exchange): void {
    const scan = this.scan;
    const match = this.match;
    if (scan === null || !scan.isObject || !this.lengthIsFree) return;
    const edits = new BodyEdits();
    const addUsage =
      match !== null && match.route.includeUsage && scan.stream && !scan.includeUsage;
    if (addUsage) edits.includeUsage(scan);
    const changeModel = answer !== null && answer.model != "" && scan.hasModel;
    if (answer !== null && changeModel && answer.model != scan.model) {
      edits.model(scan, answer.model);
      exchange.modelSent = answer.model;
    }
    if (answer !== null && answer.maxOutputTokens >= 0 && scan.maxOutputTokens >= 0) {
      edits.maxOutputTokens(scan, answer.maxOutputTokens);
    }
    if (edits.isEmpty) return;
    const grown = edits.apply();
    exchange.addedUsage = addUsage;
    if (this.headersHeld && this.head.hasContentLength) {
      const length = this.bodyLength + grown;
      replaceHeaderText(HeaderMap.Request, "content-length", length.toString());
    }
    if (exchange.modelSent != "" && this.headersHeld) clearRouteCache();
  }

  private ignore(): Action {
    this.phase = Phase.Unmetered;
    this.headersHeld = false;
    this.exchange = null;
    this.scan = null;
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
    this.head.free();
    if (this.phase == Phase.Asking) this.root.asksNoMore(this.askToken);
    const exchange = this.exchange;
    if (exchange === null || !(exchange.asked || exchange.forwarded)) return;
    this.exchange = null;
    this.phase = Phase.Unmetered;
    exchange.writeSettlement(nowMs(), scratch);
    const root = this.root;
    root.queue.push(scratch);
    if (root.queue.isBatchFull && !root.circuit.isOpen) {
      setEffectiveContext(root.id);
      root.queue.flush(nowMs());
    }
  }
}
