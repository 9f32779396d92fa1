import {
  Body,
  bodyBytes,
  closeStream,
  Direction,
  HeaderMap,
  handedLength,
  handedPtr,
  header,
  property,
  propertyInt,
  removeHeader,
  replaceBodyStart,
  setHeader,
  status,
} from "../abi/host";
import { release } from "../abi/memory";
import { bytesOf, contains, isText, lengthOf, startsWith, Text, utf8 } from "../abi/text";
import { writeId } from "../admission/admit-call";
import { Cut } from "../admission/answer";
import { Lease } from "../admission/lease";
import { RequestFacts } from "../admission/request-facts";
import { FilterConfig } from "../filter-config";
import { JsonNode } from "../scan/json-tree";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "./captured";
import { ClientEvents, out as clientBytes } from "./client-events";
import { Ending, writeRecord } from "./record";
import { Encoding, ResponseCapture } from "./response-capture";

const SLICE_BYTES = 64 * 1024;
/** Envoy's response flag DownstreamConnectionTermination. */
const FLAG_DOWNSTREAM_TERMINATION: i64 = 0x4000;

const CONTENT_TYPE = utf8("content-type");
const CONTENT_ENCODING = utf8("content-encoding");
const CONTENT_LENGTH = utf8("content-length");
const CODE_DETAILS = utf8("response\0code_details");
const FLAGS = utf8("response\0flags");
/** response.code_details of every response that the upstream gave. */
const VIA_UPSTREAM = utf8("via_upstream");
const CLIENT_GONE = utf8("client_disconnect");
const TRUNCATED = utf8("truncated");
const UPSTREAM_ERROR = utf8("upstream_error");

const kept = new ByteWriter();
const ending = new Ending();

/** A metered exchange from its admission to its settlement. */
export class Exchange {
  readonly facts: RequestFacts = new RequestFacts();
  requestId: Bytes = new Bytes(0, 0);
  config: FilterConfig | null = null;
  /** The request was let go, so it may cost. */
  forwarded: bool = false;
  reservation: string = "";
  /** What it was admitted under, where the service was not asked. */
  lease: Lease | null = null;
  modelSent: string = "";
  /** The filter asked for the usage chunk; the client must not see it. */
  addedUsage: bool = false;
  /** Where the stream is ended before the model ends it. */
  cut: Cut | null = null;
  responseHeadersToSet: JsonNode | null = null;
  /** The response came whole. */
  complete: bool = false;

  private status: i32 = 0;
  private capture: ResponseCapture | null = null;
  private keptHeaders: Bytes | null = null;

  constructor(
    /** Place among the exchanges of the root; with its nonce the id. */
    readonly number: u64,
    private startMs: i64,
  ) {}

  /** Sets the limit headers on the response, and prepares to read its body. */
  responseHeaders(endOfStream: bool): void {
    this.status = status(HeaderMap.Response);
    this.complete = endOfStream;
    const set = this.responseHeadersToSet;
    for (let i = 0; set !== null && i < set.keys.length; i++) {
      setHeader(HeaderMap.Response, set.keys[i], set.items[i].text);
    }
    const config = this.config;
    if (config === null) return;
    this.keepHeaders(config);
    if (endOfStream) return;
    const capture = ResponseCapture.take(config);
    const encoding = encodingOfResponse();
    const hasType = header(HeaderMap.Response, CONTENT_TYPE);
    const type = handedPtr;
    const length = hasType ? handedLength : 0;
    const isEvents = startsWith(type, length, utf8("application/vnd.amazon.eventstream"));
    capture.begin(isEvents, encoding);
    const isJson = contains(type, length, utf8("json"));
    release(type);
    const mayChange = this.addedUsage || this.cut !== null;
    if (mayChange && encoding == Encoding.None && !isEvents && !isJson) {
      capture.client = new ClientEvents(this.addedUsage, this.cut);
      removeHeader(HeaderMap.Response, CONTENT_LENGTH);
    }
    this.capture = capture;
  }

  private keepHeaders(config: FilterConfig): void {
    if (config.responseHeaders.length == 0) return;
    const out = kept;
    out.reset();
    out.byte(0x7b);
    for (let i = 0; i < config.responseHeaders.length; i++) {
      const name = config.responseHeaders[i].text;
      if (!header(HeaderMap.Response, name)) continue;
      if (out.length > 1) out.byte(0x2c);
      out.jsonStringBytes(bytesOf(name), lengthOf(name));
      out.byte(0x3a);
      out.jsonStringBytes(handedPtr, handedLength);
      release(handedPtr);
    }
    out.byte(0x7d);
    if (out.length > 2) this.keptHeaders = new Bytes(out.ptr, out.length);
  }

  /** Reads the bytes that are passing, and takes out what the client must not get. */
  responseBody(length: i32, endOfStream: bool): void {
    if (endOfStream) this.complete = true;
    const capture = this.capture;
    if (capture === null) return;
    const client = capture.client;
    if (client !== null) {
      // The client has its end; that of the upstream is made now that more has come.
      if (client.isCut && !endOfStream) closeStream(Direction.Response);
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
    if (endOfStream) client.flush();
    if (client.changed) {
      replaceBodyStart(Body.Response, length, clientBytes.ptr, clientBytes.length);
    }
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
    ending.forwarded = this.forwarded;
    ending.status = this.status;
    ending.facts = this.facts;
    const lease = this.lease;
    ending.lease = lease === null ? "" : lease.terms.id;
    ending.responseHeaders = this.keptHeaders;
    ending.detailsLength = property(CODE_DETAILS) ? handedLength : 0;
    ending.detailsPtr = handedPtr;
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

function encodingOfResponse(): Encoding {
  if (!header(HeaderMap.Response, CONTENT_ENCODING)) return Encoding.None;
  const ptr = handedPtr;
  const length = handedLength;
  let encoding = Encoding.Other;
  if (length == 0 || isText(ptr, length, utf8("identity"))) encoding = Encoding.None;
  else if (
    isText(ptr, length, utf8("gzip")) ||
    isText(ptr, length, utf8("x-gzip")) ||
    isText(ptr, length, utf8("deflate"))
  ) {
    encoding = Encoding.Zip;
  }
  release(ptr);
  return encoding;
}
