import type { NextHop } from "./filter-direction.ts";
import type { HeaderMap } from "./header-map.ts";

/** A piece of a body, and when it came (ms of the host's clock). */
export interface Chunk {
  atMs: number;
  bytes: Buffer;
}

/** What one end of a stream has received from the filter. */
export class Received implements NextHop {
  /** As they were when they came; null before. */
  headers: HeaderMap | null = null;
  headersAtMs: number | undefined;
  trailers: HeaderMap | null = null;
  readonly chunks: Chunk[] = [];
  /** The message came to its proper end. */
  isEnded = false;
  /** The connection was cut. */
  isReset = false;
  bodyBytes = 0;
  private readonly nowMs: () => number;
  private readonly whenEnded: () => void;

  constructor(nowMs: () => number, whenEnded: () => void = () => {}) {
    this.nowMs = nowMs;
    this.whenEnded = whenEnded;
  }

  /** All of the body so far. */
  get body(): Buffer {
    return Buffer.concat(this.chunks.map((chunk) => chunk.bytes));
  }

  get text(): string {
    return this.body.toString("utf8");
  }

  /** The status of a response; undefined before one began. */
  get status(): number | undefined {
    const status = this.headers?.get(":status");
    return status === undefined ? undefined : Number(status);
  }

  onHeaders(map: HeaderMap, endOfStream: boolean): void {
    this.headers = map.copy();
    this.headersAtMs = this.nowMs();
    if (endOfStream) this.end();
  }

  onData(bytes: Buffer, endOfStream: boolean): void {
    if (bytes.length > 0) this.chunks.push({ atMs: this.nowMs(), bytes });
    this.bodyBytes += bytes.length;
    if (endOfStream) this.end();
  }

  onTrailers(map: HeaderMap): void {
    this.trailers = map.copy();
    this.end();
  }

  private end(): void {
    this.isEnded = true;
    this.whenEnded();
  }
}
