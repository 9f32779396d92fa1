import { type BodyInput, toBytes } from "./body-buffer.ts";
import { type HeaderInput, HeaderMap } from "./header-map.ts";
import { HostError } from "./host-errors.ts";

export interface CallResponse {
  headers: HeaderMap;
  body: Buffer;
  trailers: HeaderMap;
}

export interface CallRequest {
  token: number;
  cluster: string;
  headers: HeaderMap;
  body: Buffer;
  trailers: HeaderMap;
  /** 0: none. */
  timeoutMs: number;
  /** The context for which the filter called. The answer goes to the root context all the same. */
  contextId: number;
  sentAtMs: number;
}

/** An HTTP call that the filter made, waiting for the test to answer it. */
export class HttpCall {
  readonly token: number;
  readonly cluster: string;
  readonly headers: HeaderMap;
  readonly body: Buffer;
  readonly trailers: HeaderMap;
  readonly timeoutMs: number;
  readonly contextId: number;
  readonly sentAtMs: number;
  state: "pending" | "answered" | "failed" = "pending";
  private readonly deliver: (response: CallResponse | null) => void;

  constructor(request: CallRequest, deliver: (response: CallResponse | null) => void) {
    this.token = request.token;
    this.cluster = request.cluster;
    this.headers = request.headers;
    this.body = request.body;
    this.trailers = request.trailers;
    this.timeoutMs = request.timeoutMs;
    this.contextId = request.contextId;
    this.sentAtMs = request.sentAtMs;
    this.deliver = deliver;
  }

  get method(): string {
    return this.headers.get(":method") ?? "";
  }

  get path(): string {
    return this.headers.get(":path") ?? "";
  }

  /** The request's body as JSON. */
  json<T = Record<string, unknown>>(): T {
    return JSON.parse(this.body.toString("utf8")) as T;
  }

  /** Answers it. A body that is neither text nor bytes is sent as JSON. */
  respond(
    status: number,
    headers: HeaderInput = {},
    body: BodyInput | object = "",
    trailers: HeaderInput = {},
  ): void {
    const isRaw = typeof body === "string" || body instanceof Uint8Array;
    const map = new HeaderMap(headers);
    map.replace(":status", String(status));
    this.finish("answered", {
      headers: map,
      body: toBytes(isRaw ? body : JSON.stringify(body)),
      trailers: new HeaderMap(trailers),
    });
  }

  /** Ends it without an answer (the filter sees 0 headers): the connection was reset. */
  fail(): void {
    this.finish("failed", null);
  }

  /** What Envoy 1.40 makes of a service that is not there: an answer 503 of its own. */
  refuse(): void {
    const body =
      "upstream connect error or disconnect/reset before headers. " +
      "reset reason: remote connection failure";
    this.respond(503, { "content-length": body.length, "content-type": "text/plain" }, body);
  }

  /** What Envoy 1.40 makes of a time-out: an answer 504 of its own. */
  timeOut(): void {
    const body = "upstream request timeout";
    this.respond(504, { "content-length": body.length, "content-type": "text/plain" }, body);
  }

  private finish(state: "answered" | "failed", response: CallResponse | null): void {
    if (this.state !== "pending") throw new HostError(`call ${this.token} is ${this.state}`);
    this.state = state;
    this.deliver(response);
  }
}
