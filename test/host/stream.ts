import {
  BufferType,
  DataStatus,
  HeadersStatus,
  MapType,
  ResponseFlag,
  StreamType,
  TrailersStatus,
  WasmResult,
} from "./abi.ts";
import { type BodyBuffer, type BodyInput, toBytes } from "./body-buffer.ts";
import { FilterDirection } from "./filter-direction.ts";
import { type HeaderInput, HeaderMap } from "./header-map.ts";
import { HostError } from "./host-errors.ts";
import { lookUp, type PropertyTree } from "./property-source.ts";
import { Received } from "./stream-record.ts";
import type { Context, LocalReply, Vm } from "./vm.ts";

export interface StreamSetup {
  vm: Vm;
  id: number;
  root: Context;
  /** The host turns "stop" at request or response headers into "stop everything". */
  stopAllOnHeaderStop: boolean;
  bufferLimitBytes: number;
  properties: PropertyTree;
  nowMs: () => number;
}

/** How an upstream can go away; the words stand in response.code_details. */
export type ResetReason = "connection_termination" | "protocol_error" | "remote_reset";

const RESET_FLAGS: Record<ResetReason, number> = {
  connection_termination: ResponseFlag.UpstreamConnectionTermination,
  protocol_error: ResponseFlag.UpstreamProtocolError,
  remote_reset: ResponseFlag.UpstreamRemoteReset,
};

/**
 * One HTTP stream through the filter. The test plays both ends: the client with request…() and
 * disconnect(), the upstream with response…() and resetUpstream(). What came through stands in
 * `upstream` and `client`.
 */
export class Stream implements Context {
  readonly id: number;
  readonly upstream: Received;
  readonly client: Received;
  /** Every local reply that was sent, by the filter or by Envoy. */
  localReply: LocalReply | null = null;
  routeCacheClears = 0;
  isLogging = false;
  /** proxy_on_log, proxy_on_done and proxy_on_delete were called. */
  isOver = false;
  private readonly setup: StreamSetup;
  private readonly request: FilterDirection;
  private readonly response: FilterDirection;
  private readonly state = new Map<string, Buffer>();
  private readonly startMs: number;
  private flags: number = ResponseFlag.None;
  private codeDetails: string | undefined;
  private code: number | undefined;
  private requestBytes = 0;

  constructor(setup: StreamSetup) {
    this.setup = setup;
    this.id = setup.id;
    this.startMs = setup.nowMs();
    this.upstream = new Received(setup.nowMs);
    this.client = new Received(setup.nowMs, () => this.finish(this.flags));
    const isOpen = () => !this.isOver;
    const limitBytes = setup.bufferLimitBytes;
    this.request = new FilterDirection({
      callbacks: this.callbacks("request"),
      next: this.upstream,
      isOpen,
      limitBytes,
      onTooLarge: () => this.envoyReply(413, "Payload Too Large", "request_payload_too_large"),
    });
    this.response = new FilterDirection({
      callbacks: this.callbacks("response"),
      next: this.client,
      isOpen,
      limitBytes,
      onTooLarge: () => {
        this.envoyReply(500, "Internal Server Error", "response_payload_too_large");
      },
    });
    setup.vm.contexts.set(this.id, this);
    setup.vm.call(this, "proxy_on_context_create", [setup.root.id]);
  }

  /** The filter holds the request: it reaches the upstream only in part or not at all. */
  get isRequestHeld(): boolean {
    return this.request.isStopped;
  }

  get isResponseHeld(): boolean {
    return this.response.isStopped;
  }

  requestHeaders(headers: HeaderInput, endOfStream = false): void {
    this.request.onHeaders(new HeaderMap(headers), endOfStream);
  }

  /** Body bytes from the client. After a local reply Envoy drops them. */
  requestBody(chunk: BodyInput, endOfStream = false): void {
    if (this.isOver) return;
    const bytes = toBytes(chunk);
    this.requestBytes += bytes.length;
    this.request.onData(bytes, endOfStream);
  }

  requestTrailers(trailers: HeaderInput): void {
    if (!this.isOver) this.request.onTrailers(new HeaderMap(trailers));
  }

  /** Response headers from the upstream, which must have seen request headers. */
  responseHeaders(headers: HeaderInput, endOfStream = false): void {
    this.needUpstream();
    const map = new HeaderMap(headers);
    this.code = Number(map.get(":status"));
    if (!Number.isInteger(this.code)) throw new HostError("response headers need a :status");
    this.codeDetails = "via_upstream";
    this.response.onHeaders(map, endOfStream);
  }

  responseBody(chunk: BodyInput, endOfStream = false): void {
    this.needUpstream();
    this.response.onData(toBytes(chunk), endOfStream);
  }

  responseTrailers(trailers: HeaderInput): void {
    this.needUpstream();
    this.response.onTrailers(new HeaderMap(trailers));
  }

  /** The client goes away. */
  disconnect(): void {
    this.needOpen();
    this.client.isReset = true;
    this.codeDetails = "downstream_remote_disconnect";
    this.finish(ResponseFlag.DownstreamConnectionTermination);
  }

  /** Envoy follows a redirect by itself: what comes next is another stream. */
  redirect(): void {
    this.needUpstream();
    this.codeDetails = "internal_redirect";
    this.finish(0);
  }

  /** The upstream goes away: Envoy answers 503 itself, or cuts a response that has begun. */
  resetUpstream(reason: ResetReason = "connection_termination"): void {
    this.needUpstream();
    this.upstream.isReset = true;
    this.flags = RESET_FLAGS[reason];
    const words = reason.replaceAll("_", " ");
    const text = [
      "upstream connect error or disconnect/reset before headers.",
      `reset reason: ${words}`,
    ].join(" ");
    const when = this.response.headerMap === null ? "before" : "after";
    const details = `upstream_reset_${when}_response_started{${reason}}`;
    if (when === "before") this.envoyReply(503, text, details);
    else this.cut(details);
  }

  /** Nothing moved for the stream idle timeout. */
  timeOutIdle(): void {
    this.needOpen();
    this.flags = ResponseFlag.StreamIdleTimeout;
    if (this.client.headers === null) this.envoyReply(504, "stream timeout", "stream_idle_timeout");
    else this.cut("stream_idle_timeout");
  }

  /** The route's timeout is over. */
  timeOutUpstream(): void {
    this.needUpstream();
    this.flags = ResponseFlag.UpstreamRequestTimeout;
    if (this.response.headerMap === null) {
      this.envoyReply(504, "upstream request timeout", "response_timeout");
    } else {
      this.cut("response_timeout");
    }
  }

  private needOpen(): void {
    if (this.isOver) throw new HostError(`stream ${this.id} is over`);
  }

  private needUpstream(): void {
    this.needOpen();
    if (this.upstream.headers === null) {
      throw new HostError(`the upstream has not seen a request of stream ${this.id}`);
    }
  }

  private envoyReply(status: number, text: string, details: string): void {
    this.reply({ status, details, body: Buffer.from(text), headers: [] });
  }

  private cut(details: string): void {
    this.client.isReset = true;
    this.codeDetails = details;
    this.finish(this.flags);
  }

  /** FilterManager::sendLocalReply: through the filter's own response callbacks if none began. */
  private reply(reply: LocalReply): void {
    if (this.isOver) return;
    this.localReply = reply;
    this.codeDetails = reply.details;
    this.upstream.isReset ||= this.upstream.headers !== null;
    if (this.client.headers !== null) {
      this.cut(reply.details);
      return;
    }
    this.code = reply.status;
    const headers = new HeaderMap([[":status", String(reply.status)], ...reply.headers]);
    headers.remove("content-length");
    if (reply.body.length > 0) {
      headers.replace("content-length", String(reply.body.length));
      if (!headers.has("content-type")) headers.replace("content-type", "text/plain");
    }
    const isEmpty = reply.body.length === 0;
    const way = this.response.headerMap === null ? this.response : this.client;
    way.onHeaders(headers, isEmpty);
    if (!isEmpty && !this.isOver) way.onData(reply.body, true);
  }

  private finish(flags: number): void {
    if (this.isOver) return;
    this.flags = flags;
    this.isOver = true;
    this.upstream.isReset ||= this.upstream.headers !== null && !this.response.isEnded;
    const vm = this.setup.vm;
    this.isLogging = true;
    vm.call(this, "proxy_on_log", []);
    this.isLogging = false;
    vm.call(this, "proxy_on_done", []);
    vm.call(this, "proxy_on_delete", []);
    vm.contexts.delete(this.id);
  }

  private callbacks(direction: "request" | "response") {
    const vm = this.setup.vm;
    const stopAll = HeadersStatus.StopAllIterationAndWatermark;
    return {
      headers: (count: number, end: boolean): number => {
        const convert = (result: number, stopped: boolean): number => {
          if (stopped || result > stopAll) return stopAll;
          const isPause = result === HeadersStatus.StopIteration;
          return isPause && this.setup.stopAllOnHeaderStop ? stopAll : result;
        };
        const name = `proxy_on_${direction}_headers`;
        return vm.call(this, name, [count, Number(end)], convert) ?? HeadersStatus.Continue;
      },
      body: (length: number, end: boolean): number => {
        const none = DataStatus.StopIterationNoBuffer;
        const convert = (result: number, stopped: boolean) => {
          return stopped || result > none ? none : result;
        };
        const name = `proxy_on_${direction}_body`;
        return vm.call(this, name, [length, Number(end)], convert) ?? DataStatus.Continue;
      },
      trailers: (count: number): number => {
        const stop = TrailersStatus.StopIteration;
        const convert = (result: number, stopped: boolean) => {
          return stopped || result > stop ? stop : result;
        };
        const name = `proxy_on_${direction}_trailers`;
        return vm.call(this, name, [count], convert) ?? TrailersStatus.Continue;
      },
    };
  }

  mutableMap(type: number): HeaderMap | null {
    if (type === MapType.RequestHeaders) return this.request.visibleHeaders;
    if (type === MapType.RequestTrailers) return this.request.visibleTrailers;
    if (type === MapType.ResponseHeaders) return this.response.visibleHeaders;
    if (type === MapType.ResponseTrailers) return this.response.visibleTrailers;
    return null;
  }

  readableMap(type: number): HeaderMap | null {
    if (type > MapType.ResponseTrailers) return this.setup.root.readableMap(type);
    if (!this.isLogging) return this.mutableMap(type);
    if (type === MapType.RequestHeaders) return this.request.headerMap;
    if (type === MapType.ResponseHeaders) return this.client.headers ?? this.response.headerMap;
    return type === MapType.ResponseTrailers ? this.response.trailerMap : null;
  }

  buffer(type: number): BodyBuffer | null | undefined {
    if (type === BufferType.HttpRequestBody) return this.request.body;
    if (type === BufferType.HttpResponseBody) return this.response.body;
    return this.setup.root.buffer(type);
  }

  property(path: readonly string[]): Buffer | number {
    const own = this.state.get(path.join("\0"));
    if (own !== undefined) return own;
    return lookUp(path, this.setup.properties, {
      requestHeaders: this.readableMap(MapType.RequestHeaders),
      responseHeaders: this.readableMap(MapType.ResponseHeaders),
      startMs: this.startMs,
      durationMs: this.isOver ? this.setup.nowMs() - this.startMs : undefined,
      requestBytes: this.requestBytes,
      responseBytes: this.client.bodyBytes,
      code: this.code,
      flags: this.flags,
      codeDetails: this.codeDetails,
    });
  }

  setProperty(key: string, value: Buffer): number {
    this.state.set(key, value);
    return WasmResult.Ok;
  }

  continueStream(type: number): number {
    if (type === StreamType.Downstream) return WasmResult.Ok;
    if (type === StreamType.Upstream) return WasmResult.Unimplemented;
    const direction = type === StreamType.Request ? this.request : this.response;
    this.setup.vm.defer(() => direction.resume());
    // Whichever direction resumes, Envoy forgets the request: a quirk that filters must live with.
    this.request.hide();
    return WasmResult.Ok;
  }

  closeStream(type: number): number {
    if (type === StreamType.Request || type === StreamType.Response) {
      this.codeDetails ??= "wasm_close_stream";
      this.setup.vm.defer(() => {
        if (!this.isOver) this.cut(this.codeDetails ?? "");
      });
    }
    return WasmResult.Ok;
  }

  sendLocalReply(reply: LocalReply): void {
    this.setup.vm.defer(() => this.reply(reply));
  }

  clearRouteCache(): void {
    this.routeCacheClears++;
  }
}
