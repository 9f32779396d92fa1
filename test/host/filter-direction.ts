import { DataStatus, HeadersStatus, TrailersStatus } from "./abi.ts";
import { BodyBuffer } from "./body-buffer.ts";
import type { HeaderMap } from "./header-map.ts";
import { HostError } from "./host-errors.ts";

/** The filter's callbacks of one direction; each answers an ABI status. */
export interface FilterCallbacks {
  headers(count: number, endOfStream: boolean): number;
  body(length: number, endOfStream: boolean): number;
  trailers(count: number): number;
}

/** What comes after the filter: the upstream for requests, the client for responses. */
export interface NextHop {
  onHeaders(map: HeaderMap, endOfStream: boolean): void;
  onData(bytes: Buffer, endOfStream: boolean): void;
  onTrailers(map: HeaderMap): void;
}

export interface DirectionOptions {
  callbacks: FilterCallbacks;
  next: NextHop;
  /** False once the stream is over; nothing moves then. */
  isOpen: () => boolean;
  /** More than limitBytes are buffered by a filter that holds the body. */
  onTooLarge: () => void;
  limitBytes: number;
}

const NOTHING = new BodyBuffer();

/**
 * One direction of a stream through one Wasm filter: Envoy's FilterManager (iteration states,
 * buffering, resuming) and the Wasm Context's own view of headers and body. README.md says which
 * functions of Envoy this follows, and what was seen on Envoy 1.40.
 */
export class FilterDirection implements NextHop {
  /** What the filter can read and change right now; null: the call answers BadArgument. */
  visibleHeaders: HeaderMap | null = null;
  visibleTrailers: HeaderMap | null = null;
  /** All headers of this direction, also after they went on. For access logs. */
  headerMap: HeaderMap | null = null;
  trailerMap: HeaderMap | null = null;
  private visibleBody: BodyBuffer | null = null;
  private buffered: BodyBuffer | null = null;
  /** The filter holds the body: the next callback shows all of it. */
  private buffering = false;
  private iteration: "continue" | "stopped" | "stopped all" = "continue";
  private headersPassed = false;
  private sawEnd = false;
  private readonly options: DirectionOptions;

  constructor(options: DirectionOptions) {
    this.options = options;
  }

  get isStopped(): boolean {
    return this.iteration !== "continue";
  }

  get isEnded(): boolean {
    return this.sawEnd;
  }

  /** What get_buffer_bytes and set_buffer_bytes work on. */
  get body(): BodyBuffer | null {
    return this.buffering ? this.buffered : this.visibleBody;
  }

  onHeaders(map: HeaderMap, endOfStream: boolean): void {
    if (this.headerMap !== null) throw new HostError("headers came twice");
    this.headerMap = map;
    this.visibleHeaders = map;
    this.sawEnd = endOfStream;
    const status = this.options.callbacks.headers(map.size, endOfStream);
    if (status === HeadersStatus.Continue) this.visibleHeaders = null;
    if (!this.options.isOpen()) return;
    if (status === HeadersStatus.Continue) this.passHeaders(endOfStream);
    else if (status === HeadersStatus.StopIteration) this.iteration = "stopped";
    else this.iteration = "stopped all";
  }

  onData(bytes: Buffer, endOfStream: boolean): void {
    if (this.headerMap === null) throw new HostError("body data came before headers");
    if (this.sawEnd) throw new HostError("body data came after the end of the stream");
    this.sawEnd = endOfStream;
    if (this.iteration === "stopped all") {
      // Envoy stops reading above the limit here, and the filter sees the rest when it resumes.
      this.keep(new BodyBuffer(bytes));
      return;
    }
    const chunk = new BodyBuffer(bytes);
    if (this.buffering) this.keep(chunk);
    this.runBody(chunk, endOfStream, this.buffering && this.isTooLarge());
  }

  onTrailers(map: HeaderMap): void {
    if (this.headerMap === null) throw new HostError("trailers came before headers");
    if (this.sawEnd) throw new HostError("trailers came after the end of the stream");
    this.sawEnd = true;
    this.trailerMap = map;
    if (this.iteration !== "stopped all") this.runTrailers(map);
  }

  /** Forgets what the filter could see, as proxy_continue_stream does for requests. */
  hide(): void {
    this.visibleHeaders = null;
    this.visibleBody = null;
    this.visibleTrailers = null;
  }

  /**
   * ActiveStreamFilterBase::commonContinue: lets headers, buffered body and trailers go on. After
   * a stop of everything the filter itself sees body and trailers first, the body in one piece.
   */
  resume(): void {
    if (!this.options.isOpen() || this.headerMap === null) return;
    const stoppedAll = this.iteration === "stopped all";
    const trailers = this.trailerMap;
    const buffered = this.buffered;
    this.iteration = "continue";
    this.buffering = false;
    const endsWithData = this.sawEnd && trailers === null;
    if (!this.headersPassed) this.passHeaders(endsWithData && buffered === null);
    if (buffered !== null && this.options.isOpen()) {
      if (stoppedAll) {
        this.runBody(buffered, endsWithData, false);
      } else {
        this.buffered = null;
        this.options.next.onData(buffered.take(), endsWithData);
      }
    }
    if (trailers === null || !this.options.isOpen()) return;
    if (stoppedAll) this.runTrailers(trailers);
    else this.options.next.onTrailers(trailers);
  }

  private passHeaders(endOfStream: boolean): void {
    if (this.headersPassed || this.headerMap === null) return;
    this.headersPassed = true;
    this.options.next.onHeaders(this.headerMap, endOfStream);
  }

  private runBody(chunk: BodyBuffer, endOfStream: boolean, tooLarge: boolean): void {
    this.visibleBody = chunk;
    const status = this.options.callbacks.body((this.body ?? NOTHING).length, endOfStream);
    this.buffering = status === DataStatus.StopIterationAndBuffer;
    if (status === DataStatus.Continue) this.visibleBody = null;
    if (!this.options.isOpen()) return;
    if (tooLarge) {
      this.options.onTooLarge();
    } else if (status !== DataStatus.Continue) {
      this.iteration = "stopped";
      if (status !== DataStatus.StopIterationNoBuffer) this.keep(chunk);
      if (this.buffering && this.isTooLarge()) this.options.onTooLarge();
    } else if (this.iteration === "stopped") {
      this.keep(chunk);
      this.resume();
    } else {
      if (chunk === this.buffered) this.buffered = null;
      this.options.next.onData(chunk.take(), endOfStream);
    }
  }

  private runTrailers(map: HeaderMap): void {
    this.visibleTrailers = map;
    const status = this.options.callbacks.trailers(map.size);
    if (status === TrailersStatus.Continue) this.visibleTrailers = null;
    if (!this.options.isOpen()) return;
    if (status !== TrailersStatus.Continue) this.iteration = "stopped";
    else if (this.iteration === "stopped") this.resume();
    else this.options.next.onTrailers(map);
  }

  /** FilterManager's commonHandleBufferData. */
  private keep(chunk: BodyBuffer): void {
    if (chunk === this.buffered) return;
    this.buffered ??= new BodyBuffer();
    this.buffered.append(chunk.take());
  }

  private isTooLarge(): boolean {
    return (this.buffered?.length ?? 0) > this.options.limitBytes;
  }
}
