import {
  Body,
  bodyBytes,
  closeStream,
  Direction,
  HeaderMap,
  handedLength,
  handedPtr,
  nowMs,
  property,
  propertyInt,
  removeHeader,
  replaceBodyStart,
} from "../abi/host";
import { release } from "../abi/memory";
import { contains, isText, OwnText, startsWith, startsWithAnyCase, Text, utf8 } from "../abi/text";
import { writeId } from "../admission/admit-call";
import { Cut } from "../admission/answer";
import { RequestHead } from "../admission/attributes";
import { HeaderList } from "../admission/header-list";
import { Lease } from "../admission/lease";
import { RequestFacts } from "../admission/request-facts";
import { FilterConfig } from "../filter-config";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "./captured";
import { ClientEvents, out as clientBytes } from "./client-events";
import { Encoding } from "./framing";
import { Ending, writeRecord } from "./record";
import { ResponseCapture } from "./response-capture";
import { ResponseHead } from "./response-head";

const SLICE_BYTES = 64 * 1024;
/** Time for a client of HTTP/2 to take the end of its stream. */
const CLOSE_AFTER_MS: i64 = 500;
/** What x-request-id is as a rule. */
const UUID_BYTES = 36;
/** Room for what most responses have. */
const KEPT_HEADERS_BYTES = 64;
/** Envoy's response flag DownstreamConnectionTermination. */
const FLAG_DOWNSTREAM_TERMINATION: i64 = 0x4000;

const CONTENT_LENGTH = utf8("content-length");
const EVENT_STREAM = utf8("application/vnd.amazon.eventstream");
const CODE_DETAILS = utf8("response\0code_details");
const FLAGS = utf8("response\0flags");
const PROTOCOL = utf8("request\0protocol");
/** response.code_details of every response that the upstream gave. */
const VIA_UPSTREAM = utf8("via_upstream");
/** The request goes on as another one, which is metered by itself. */
const REDIRECTED = utf8("internal_redirect");
const CLIENT_GONE = utf8("client_disconnect");
const TRUNCATED = utf8("truncated");
const UPSTREAM_ERROR = utf8("upstream_error");

/** One that grew larger is not kept for another request. */
const MOST_KEPT_BYTES = 2048;

const noNames: OwnText[] = [];
const attributes = new ByteWriter();
const responseHead = new ResponseHead();
const ending = new Ending();

/** A metered exchange from its admission to its settlement. Used again: begin, end. */
export class Exchange {
  readonly facts: RequestFacts = new RequestFacts();
  readonly requestId: Bytes = new Bytes(0, 0, UUID_BYTES);
  config: FilterConfig | null = null;
  /** The request was let go, so it may cost. */
  forwarded: bool = false;
  /** JSON: a string. */
  reservation: Bytes | null = null;
  /** What it was admitted under, where the service was not asked. */
  lease: Lease | null = null;
  modelSent: string = "";
  /** The filter asked for the usage chunk; the client must not see it. */
  addedUsage: bool = false;
  /** Where the stream is ended before the model ends it. */
  cut: Cut | null = null;
  responseHeadersToSet: HeaderList | null = null;
  /** The response came whole. */
  complete: bool = false;

  /** Place among the exchanges of the root; with its nonce the id. */
  number: u64 = 0;

  private startMs: i64 = 0;
  /** When a stream whose client has its end is closed; 0: nothing has come since. */
  private closeMs: i64 = 0;
  private status: i32 = 0;
  private capture: ResponseCapture | null = null;
  /** JSON; no bytes: none of the response headers that are wanted was there. */
  private keptHeaders: Bytes = new Bytes(0, 0, KEPT_HEADERS_BYTES);

  /** A request is metered from now on, and its headers read; config null: none has come yet. */
  begin(number: u64, startMs: i64, config: FilterConfig | null, head: RequestHead): void {
    this.number = number;
    this.startMs = startMs;
    this.config = config;
    this.forwarded = false;
    this.modelSent = "";
    this.addedUsage = false;
    this.complete = false;
    this.closeMs = 0;
    this.status = 0;
    this.keptHeaders.length = 0;
    attributes.reset();
    head.writeAttributes(config, attributes);
    this.facts.setAttributes(attributes);
    this.requestId.set(head.requestId.ptr, head.requestId.length);
    head.free();
  }

  /** Lets go of what belongs to the request that is over; false: it is not worth keeping. */
  end(): bool {
    this.config = null;
    this.reservation = null;
    this.lease = null;
    this.cut = null;
    this.responseHeadersToSet = null;
    this.capture = null;
    const bytes = this.facts.bytes.capacity + this.requestId.capacity + this.keptHeaders.capacity;
    return bytes <= MOST_KEPT_BYTES;
  }

  /** Sets the limit headers on the response, and prepares to read its body. */
  responseHeaders(endOfStream: bool): void {
    const config = this.config;
    responseHead.read(config === null ? noNames : config.responseHeaders, this.keptHeaders);
    this.status = responseHead.status;
    this.complete = endOfStream;
    const headers = this.responseHeadersToSet;
    if (headers !== null) headers.setIn(HeaderMap.Response);
    if (config !== null && !endOfStream) this.prepare(config);
    responseHead.free();
  }

  private prepare(config: FilterConfig): void {
    const capture = ResponseCapture.take(config);
    const type = responseHead.typePtr;
    const length = responseHead.typeLength;
    const isEvents = startsWithAnyCase(type, length, EVENT_STREAM);
    capture.begin(isEvents, responseHead.encoding);
    this.capture = capture;
    const mayChange = this.addedUsage || this.cut !== null;
    if (!mayChange || responseHead.encoding != Encoding.None || isEvents) return;
    if (contains(type, length, utf8("json"))) return;
    capture.client = new ClientEvents(this.addedUsage, this.cut);
    removeHeader(HeaderMap.Response, CONTENT_LENGTH);
  }

  /** Reads the bytes that are passing, and takes out what the client must not get. */
  responseBody(length: i32, endOfStream: bool): void {
    if (endOfStream) this.complete = true;
    const capture = this.capture;
    if (capture === null) return;
    const client = capture.client;
    if (client !== null) {
      if (client.isCut && !endOfStream) this.closeSoon();
      client.beginCallback();
    }
    for (let at = 0; at < length; ) {
      if (!bodyBytes(Body.Response, at, min(SLICE_BYTES, length - at))) break;
      const slice = handedPtr;
      const got = handedLength;
      if (got > 0) capture.push(slice, got);
      release(slice);
      if (got <= 0) break;
      at += got;
    }
    if (endOfStream) capture.end();
    if (client === null) return;
    if (endOfStream) client.end(capture.isUsageChunk);
    if (client.changed) {
      replaceBodyStart(Body.Response, length, clientBytes.ptr, clientBytes.length);
    }
  }

  /**
   * The client has its end; that of the upstream is made now that more has come. With a stream of
   * HTTP/2 would go what the client has not yet taken.
   */
  private closeSoon(): void {
    const now = nowMs();
    if (this.closeMs == 0) {
      const isHttp1 = property(PROTOCOL) && startsWith(handedPtr, handedLength, utf8("HTTP/1"));
      release(handedPtr);
      this.closeMs = isHttp1 ? now : now + CLOSE_AFTER_MS;
    }
    if (now >= this.closeMs) closeStream(Direction.Response);
  }

  /** The body is over; what an SSE stream left unfinished cannot be sent any more. */
  responseTrailers(): void {
    this.complete = true;
    const capture = this.capture;
    if (capture !== null) capture.end();
  }

  /** Writes the settlement of this exchange, which is over, to `out`. */
  writeSettlement(nonce: Bytes, nowMs: i64, out: ByteWriter): void {
    const capture = this.capture;
    if (capture !== null && !this.complete) capture.end();
    ending.id.reset();
    writeId(nonce, this.number, ending.id);
    ending.reservation = this.reservation;
    ending.requestId = this.requestId;
    ending.timeMs = this.startMs;
    ending.durationMs = max(<i64>0, nowMs - this.startMs);
    ending.modelSent = this.modelSent;
    ending.status = this.status;
    ending.facts = this.facts;
    const lease = this.lease;
    ending.lease = lease === null ? null : lease.terms.id;
    ending.responseHeaders = this.keptHeaders;
    ending.detailsLength = property(CODE_DETAILS) ? handedLength : 0;
    ending.detailsPtr = handedPtr;
    const isGone = isText(ending.detailsPtr, ending.detailsLength, REDIRECTED);
    ending.forwarded = this.forwarded && !isGone;
    ending.outcome = this.outcome(capture);
    writeRecord(ending, capture, this.config, out);
    release(ending.detailsPtr);
    this.capture = null;
    const config = this.config;
    if (capture !== null && config !== null) capture.giveBack(config);
  }

  private outcome(capture: ResponseCapture | null): Text {
    const details = ending.detailsPtr;
    const length = ending.detailsLength;
    if (capture !== null && capture.isCut) return TRUNCATED;
    // Envoy's own answer in the upstream's place: no connection, no answer in time.
    if (this.complete && this.forwarded && length > 0 && !isText(details, length, VIA_UPSTREAM)) {
      return UPSTREAM_ERROR;
    }
    if (this.complete) {
      return capture !== null && capture.unfinished ? TRUNCATED : utf8("ok");
    }
    const byClient =
      (propertyInt(FLAGS) & FLAG_DOWNSTREAM_TERMINATION) != 0 ||
      startsWith(details, length, utf8("downstream")) ||
      startsWith(details, length, utf8("http"));
    return byClient ? CLIENT_GONE : UPSTREAM_ERROR;
  }
}
