/** An HTTP client that sees what a careful client sees: raw bytes, when they came, how it ended. */
import { Agent, type IncomingHttpHeaders, request } from "node:http";

export interface SendOptions {
  method?: string;
  headers?: Record<string, string>;
  /** An object is sent as JSON; a content-type of "" sends none. */
  body?: unknown;
  /** Close the connection once this many SSE events have come. */
  hangUpAfterEvents?: number;
  /** Called when the first bytes of the body have come. */
  onFirstPiece?: () => void;
  /** The whole exchange must end before; default 10 s. */
  timeoutMs?: number;
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  text: string;
  /** Pieces as they arrived; atMs counts from the start of the request. */
  pieces: { atMs: number; bytes: Buffer }[];
  /** complete: to its proper end · cut: the connection broke · hung up: by us. */
  ended: "complete" | "cut" | "hung up";
  durationMs: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 2000 });
/** An event ends at an empty line, whatever the line ends are. */
const EVENT_END = /\r\n\r\n|\n\n|\r\r(?!\n)/g;

/** Sends one request. Rejects when no response begins, or on the time limit. */
export function send(url: string, options: SendOptions = {}): Promise<Reply> {
  const startedAt = performance.now();
  const sinceStart = () => performance.now() - startedAt;
  const body = encodeBody(options.body);
  const headers: Record<string, string> = { ...options.headers };
  if (body !== null && headers["content-type"] === undefined) {
    headers["content-type"] = "application/json";
  }
  if (headers["content-type"] === "") delete headers["content-type"];
  if (body !== null) headers["content-length"] = String(body.length);
  return new Promise((resolve, reject) => {
    const method = options.method ?? (body === null ? "GET" : "POST");
    const req = request(url, { method, headers, agent });
    const timer = setTimeout(() => {
      req.destroy();
      reject(new Error(`no end of ${method} ${url} within ${options.timeoutMs ?? 10_000} ms`));
    }, options.timeoutMs ?? 10_000);
    let failed = reject;
    req.on("error", (error) => {
      clearTimeout(timer);
      failed(error);
    });
    req.on("response", (res) => {
      failed = () => {};
      const pieces: Reply["pieces"] = [];
      let ended: Reply["ended"] = "cut";
      res.on("data", (bytes: Buffer) => {
        if (pieces.length === 0) options.onFirstPiece?.();
        pieces.push({ atMs: sinceStart(), bytes });
        const enough = options.hangUpAfterEvents;
        if (enough === undefined || ended === "hung up") return;
        if (countEvents(joined(pieces)) < enough) return;
        ended = "hung up";
        req.destroy();
      });
      res.on("end", () => {
        if (ended !== "hung up") ended = "complete";
      });
      res.on("error", () => {});
      res.on("close", () => {
        clearTimeout(timer);
        const bytes = joined(pieces);
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: bytes,
          text: bytes.toString("utf8"),
          pieces,
          ended,
          durationMs: sinceStart(),
        });
      });
    });
    req.end(body ?? undefined);
  });
}

/** Complete SSE events in the bytes. */
export function countEvents(bytes: Buffer): number {
  return bytes.toString("latin1").match(EVENT_END)?.length ?? 0;
}

/** The parsed `data` of each SSE event; `[DONE]` and other text as it is. */
export function eventData(text: string): unknown[] {
  return text
    .split(EVENT_END)
    .map((event) =>
      event
        .split(/\r\n|\n|\r/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart())
        .join("\n"),
    )
    .filter((data) => data !== "")
    .map((data) => (data.startsWith("{") ? (JSON.parse(data) as unknown) : data));
}

function joined(pieces: Reply["pieces"]): Buffer {
  return Buffer.concat(pieces.map((piece) => piece.bytes));
}

function encodeBody(body: unknown): Buffer | null {
  if (body === undefined) return null;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}
