import {
  Body,
  bodyBytes,
  HeaderMap,
  handedLength,
  handedPtr,
  header,
  headerText,
  propertyInt,
  propertyText,
  removeHeader,
  replaceBodyStart,
  replaceHeaderText,
  status,
} from "../abi/host";
import { release, Utf8 } from "../abi/memory";
import { FilterConfig } from "../filter-config";
import { JsonNode } from "../scan/json-tree";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "./captured";
import { Ending, writeRecord } from "./record";
import { ResponseCapture } from "./response-capture";
import { out as clientBytes, UsageChunkRemover } from "./usage-chunk-remover";

const SLICE_BYTES = 64 * 1024;
/** Envoy's response flag DownstreamConnectionTermination. */
const FLAG_DOWNSTREAM_TERMINATION: i64 = 0x4000;
/** response.code_details of every response that the upstream gave. */
const VIA_UPSTREAM = "via_upstream";

const CONTENT_TYPE = new Utf8("content-type");
const CONTENT_ENCODING = new Utf8("content-encoding");
const CONTENT_LENGTH = new Utf8("content-length");
const CODE_DETAILS = new Utf8("response\0code_details");
const FLAGS = new Utf8("response\0flags");

const kept = new ByteWriter();

/** A metered exchange from its admission to its settlement. */
export class Exchange {
  attributes: Bytes = new Bytes(0, 0);
  llm: Bytes = new Bytes(0, 0);
  config: FilterConfig | null = null;
  /** The service was asked, so it may hold a reservation. */
  asked: bool = false;
  /** The request was let go, so it may cost. */
  forwarded: bool = false;
  reservation: string = "";
  modelSent: string = "";
  /** The filter asked for the usage chunk; the client must not see it. */
  addedUsage: bool = false;
  responseHeadersToSet: JsonNode | null = null;
  /** The response came whole. */
  complete: bool = false;

  private status: i32 = 0;
  private capture: ResponseCapture | null = null;
  private keptHeaders: Bytes | null = null;

  constructor(
    readonly id: string,
    private requestId: string,
    private startMs: i64,
  ) {}

  /** Sets the limit headers on the response, and prepares to read its body. */
  responseHeaders(endOfStream: bool): void {
    this.status = status(HeaderMap.Response);
    this.complete = endOfStream;
    const set = this.responseHeadersToSet;
    for (let i = 0; set !== null && i < set.keys.length; i++) {
      replaceHeaderText(HeaderMap.Response, set.keys[i], set.items[i].text);
    }
    const config = this.config;
    if (config === null) return;
    this.keepHeaders(config);
    if (endOfStream) return;
    const contentType = headerText(HeaderMap.Response, CONTENT_TYPE);
    const contentEncoding = headerText(HeaderMap.Response, CONTENT_ENCODING);
    const capture = new ResponseCapture(config);
    capture.begin(contentType, contentEncoding);
    if (this.addedUsage && contentEncoding == "" && !contentType.includes("json")) {
      capture.remover = new UsageChunkRemover();
      removeHeader(HeaderMap.Response, CONTENT_LENGTH.ptr, CONTENT_LENGTH.length);
    }
    this.capture = capture;
  }

  private keepHeaders(config: FilterConfig): void {
    if (config.responseHeaders.length == 0) return;
    const out = kept;
    out.reset();
    out.byte(0x7b);
    for (let i = 0; i < config.responseHeaders.length; i++) {
      const name = config.responseHeaders[i];
      if (!header(HeaderMap.Response, name)) continue;
      if (out.length > 1) out.byte(0x2c);
      out.jsonStringBytes(name.ptr, name.length);
      out.byte(0x3a);
      out.jsonStringBytes(handedPtr, handedLength);
      release(handedPtr);
    }
    out.byte(0x7d);
    if (out.length > 2) this.keptHeaders = new Bytes(out.ptr, out.length);
  }

  /** Reads the bytes that are passing, and takes the usage chunk out where it was not asked for. */
  responseBody(length: i32, endOfStream: bool): void {
    if (endOfStream) this.complete = true;
    const capture = this.capture;
    if (capture === null) return;
    const remover = capture.remover;
    if (remover !== null) remover.beginCallback();
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
    if (remover === null) return;
    if (endOfStream) remover.flush();
    if (remover.changed) {
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
  writeSettlement(nowMs: i64, out: ByteWriter): void {
    const capture = this.capture;
    if (capture !== null && !this.complete) capture.end();
    const ending = new Ending();
    ending.id = this.id;
    ending.reservation = this.reservation;
    ending.requestId = this.requestId;
    ending.timeMs = this.startMs;
    ending.durationMs = max(<i64>0, nowMs - this.startMs);
    ending.modelSent = this.modelSent;
    ending.forwarded = this.forwarded;
    ending.status = this.status;
    ending.details = propertyText(CODE_DETAILS);
    ending.outcome = this.outcome(ending.details, capture);
    const known = this.config;
    const config = known === null ? new FilterConfig() : known;
    writeRecord(ending, this.attributes, this.llm, capture, config, this.keptHeaders, out);
  }

  private outcome(details: string, capture: ResponseCapture | null): string {
    // Envoy's own answer in the upstream's place: no connection, no answer in time.
    if (this.complete && this.forwarded && details != "" && details != VIA_UPSTREAM) {
      return "upstream_error";
    }
    if (this.complete) return capture !== null && capture.unfinished ? "truncated" : "ok";
    const flags = propertyInt(FLAGS);
    const byClient =
      (flags & FLAG_DOWNSTREAM_TERMINATION) != 0 ||
      details.startsWith("downstream") ||
      details.startsWith("http");
    return byClient ? "client_disconnect" : "upstream_error";
  }
}
