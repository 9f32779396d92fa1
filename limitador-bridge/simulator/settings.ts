/**
 * What a request asks of the simulator by its `x-sim-*` headers. A header with a value that
 * makes no sense is refused, so that a test with a slip does not pass by accident.
 */
import type { IncomingHttpHeaders } from "node:http";

export type UsageShape = "honest" | "missing" | "null" | "malformed" | "zero";

export interface SimulatorSettings {
  /** `x-sim-output-tokens`: words of text per choice that the model wants to write. */
  outputTokens: number;
  /** `x-sim-prompt-tokens`: in place of counting the words of the request. */
  promptTokens: number | null;
  /** `x-sim-cached-tokens`: how many of the prompt tokens were read from the cache. */
  cachedTokens: number;
  /** `x-sim-reasoning-tokens`: written before the text, per choice, and part of the output. */
  reasoningTokens: number;
  /** `x-sim-delay-ms`: before the first byte of the answer. */
  delayMs: number;
  /** `x-sim-chunk-delay-ms`: between two events of a stream. */
  chunkDelayMs: number;
  /** `x-sim-status`: answer with this error. */
  status: number | null;
  /** `x-sim-reset-after-events`: then reset the connection; 0: before the response headers. */
  resetAfterEvents: number | null;
  /** `x-sim-truncate-after-events`: then end properly, with no usage and no end marker. */
  truncateAfterEvents: number | null;
  /** `x-sim-usage`: what is reported; the bill is the truth, except for zero, which bills zero. */
  usage: UsageShape;
  /** `x-sim-gzip`: 1 compresses always, auto where accept-encoding allows it. */
  gzip: boolean;
  /** `x-sim-split-bytes`: the size of each write. */
  splitBytes: number | null;
  /** `x-sim-newline`: line ends of a stream. */
  newline: "\n" | "\r\n" | "\r";
  /** `x-sim-id`: fixes the id and the time in the body, so that two answers are equal. */
  id: string | null;
}

/** A simulator header whose value is refused; the message names the header. */
export class SettingError extends Error {}

const DEFAULT_OUTPUT_TOKENS = 20;
const MAX_TOKENS = 1_000_000;
const MAX_DELAY_MS = 600_000;
const MAX_EVENTS = 1_000_000;
const MAX_SPLIT_BYTES = 1 << 20;

const DEFAULTS: SimulatorSettings = {
  outputTokens: DEFAULT_OUTPUT_TOKENS,
  promptTokens: null,
  cachedTokens: 0,
  reasoningTokens: 0,
  delayMs: 0,
  chunkDelayMs: 0,
  status: null,
  resetAfterEvents: null,
  truncateAfterEvents: null,
  usage: "honest",
  gzip: false,
  splitBytes: null,
  newline: "\n",
  id: null,
};

const READERS: Record<string, (value: string, acceptEncoding: string) => object> = {
  "x-sim-output-tokens": (v) => ({ outputTokens: integer(v, 0, MAX_TOKENS) }),
  "x-sim-prompt-tokens": (v) => ({ promptTokens: integer(v, 0, MAX_TOKENS) }),
  "x-sim-cached-tokens": (v) => ({ cachedTokens: integer(v, 0, MAX_TOKENS) }),
  "x-sim-reasoning-tokens": (v) => ({ reasoningTokens: integer(v, 0, MAX_TOKENS) }),
  "x-sim-delay-ms": (v) => ({ delayMs: integer(v, 0, MAX_DELAY_MS) }),
  "x-sim-chunk-delay-ms": (v) => ({ chunkDelayMs: integer(v, 0, MAX_DELAY_MS) }),
  "x-sim-status": (v) => ({ status: integer(v, 400, 599) }),
  "x-sim-reset-after-events": (v) => ({ resetAfterEvents: integer(v, 0, MAX_EVENTS) }),
  "x-sim-truncate-after-events": (v) => ({ truncateAfterEvents: integer(v, 0, MAX_EVENTS) }),
  "x-sim-usage": (v) => ({ usage: oneOf(v, ["missing", "null", "malformed", "zero"]) }),
  "x-sim-gzip": (v, accepted) => ({
    gzip: oneOf(v, ["1", "auto"]) === "1" || acceptsGzip(accepted),
  }),
  "x-sim-split-bytes": (v) => ({ splitBytes: integer(v, 1, MAX_SPLIT_BYTES) }),
  "x-sim-newline": (v) => ({
    newline: { lf: "\n", crlf: "\r\n", cr: "\r" }[oneOf(v, ["lf", "crlf", "cr"])],
  }),
  "x-sim-id": (v) => ({ id: identifier(v) }),
};

/** Reads the `x-sim-*` headers. Throws SettingError for a value or a name that is not known. */
export function readSettings(headers: IncomingHttpHeaders): SimulatorSettings {
  let settings = DEFAULTS;
  for (const name in headers) {
    if (!name.startsWith("x-sim-")) continue;
    const read = READERS[name];
    if (read === undefined) throw new SettingError(`${name}: no such setting`);
    try {
      const part = read(String(headers[name]), String(headers["accept-encoding"] ?? ""));
      settings = { ...settings, ...part };
    } catch (error) {
      throw new SettingError(`${name}: ${(error as Error).message}`);
    }
  }
  return settings;
}

function integer(value: string, min: number, max: number): number {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new Error(`expected an integer from ${min} to ${max}, got ${JSON.stringify(value)}`);
}

function oneOf<const T extends string>(value: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  throw new Error(`expected one of ${allowed.join(", ")}, got ${JSON.stringify(value)}`);
}

function identifier(value: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(value)) return value;
  throw new Error(`expected 1 to 64 letters, digits, - or _, got ${JSON.stringify(value)}`);
}

/** RFC 9110 section 12.5.3, as far as gzip is concerned. */
function acceptsGzip(acceptEncoding: string): boolean {
  return acceptEncoding.split(",").some((each) => {
    const [coding, ...parameters] = each.split(";").map((part) => part.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    return (coding === "gzip" || coding === "*") && !refused;
  });
}
