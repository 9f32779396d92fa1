/**
 * Anthropic Messages. `input_tokens` excludes cache reads and writes. In a stream `message_start`
 * has the first figures and `message_delta` is cumulative: what it holds replaces, what it leaves
 * out stays.
 */
import type { Capture } from "../capture.ts";
import { type Figures, figuresOf, isCount, isObject, type RawObject, valueAt } from "../figures.ts";
import { noTokens, outputTotal, TOKEN_KINDS, type TokenCounts } from "../normal-form.ts";
import { emptyReading, type Reading } from "../reading.ts";

const START_POINTER = "/message/usage";
/** The filter keeps so many objects of a pointer: of more, those in the middle are not known. */
const KEPT_OBJECTS = 4;

/** Reads Anthropic's usage; `objects` are those of its shape, in the order seen. */
export function readAnthropic(
  capture: Capture,
  objects: { pointer: string; value: RawObject }[],
): Reading {
  const starts = objects.filter(({ pointer }) => pointer === START_POINTER);
  const later = objects.filter(({ pointer }) => pointer !== START_POINTER);
  const merged = overlay([...starts, ...later].map(({ value }) => value));
  const figures = figuresOf(merged);
  const tokens = executedTokens(merged, figures);
  const ended = later.length > 0 && (capture.finished || capture.record.outcome === "ok");
  return {
    ...emptyReading(),
    tokens,
    otherUnits: serverToolUnits(merged),
    serviceTier: text(valueAt(merged, "service_tier")),
    extraLines: extraLines(merged),
    model: fallbackModel(merged),
    remark: later.length < KEPT_OBJECTS ? null : "usage_thinned",
    final: ended && !figures.malformed && figures.main("output_tokens") !== undefined,
    inputKnown: figures.main("input_tokens") !== undefined,
  };
}

/** Later values replace earlier ones, null and absent ones do not. */
function overlay(values: RawObject[]): RawObject {
  const merged: RawObject = {};
  for (const value of values) {
    for (const [key, field] of Object.entries(value)) {
      if (field !== null) Object.defineProperty(merged, key, fieldOf(field));
    }
  }
  return merged;
}

/** Own and plain even where the key is `__proto__`. */
function fieldOf(value: unknown): PropertyDescriptor {
  return { value, enumerable: true, configurable: true, writable: true };
}

function tokensOf(figures: Figures): TokenCounts {
  const split1h = figures.part("cache_creation.ephemeral_1h_input_tokens");
  const split5m = figures.part("cache_creation.ephemeral_5m_input_tokens");
  const cacheWrite = figures.main("cache_creation_input_tokens") ?? split1h + split5m;
  // A delta's total comes without its split: who cached for 1 h only goes on to do so.
  const cacheWrite1h = split5m === 0 && split1h > 0 ? cacheWrite : Math.min(split1h, cacheWrite);
  const output = figures.main("output_tokens") ?? 0;
  const reasoning = Math.min(figures.part("output_tokens_details.thinking_tokens"), output);
  return {
    ...noTokens(),
    inputText: figures.main("input_tokens") ?? 0,
    cacheRead: figures.main("cache_read_input_tokens") ?? 0,
    cacheWrite5m: cacheWrite - cacheWrite1h,
    cacheWrite1h,
    outputText: output - reasoning,
    reasoning,
  };
}

/** Kinds of iteration that are the answer's own model at work. */
const EXECUTED: ReadonlySet<unknown> = new Set(["message", "compaction"]);
const FALLBACK = "fallback_message";

function iterationsOf(usage: RawObject): RawObject[] {
  const list = valueAt(usage, "iterations");
  return Array.isArray(list) ? list.filter(isObject) : [];
}

/**
 * The totals are the sum of the messages and leave compactions out. Some say less there than in
 * the iterations, and some iterations leave out what they cached: of each kind the larger counts.
 * With a fallback the totals are those of whoever served, and the messages before it are not.
 */
function executedTokens(usage: RawObject, figures: Figures): TokenCounts {
  const total = tokensOf(figures);
  const iterations = iterationsOf(usage);
  const served = iterations.some(({ type }) => type === FALLBACK);
  const messages = served ? noTokens() : sumOf(iterations, "message");
  const compactions = sumOf(iterations, "compaction");
  const input = (kind: keyof TokenCounts) => Math.max(total[kind], messages[kind]);
  const output = Math.max(outputTotal(total), outputTotal(messages)) + outputTotal(compactions);
  const reasoning = Math.min(
    Math.max(total.reasoning, messages.reasoning + compactions.reasoning),
    output,
  );
  return {
    ...noTokens(),
    inputText: input("inputText") + compactions.inputText,
    cacheRead: input("cacheRead") + compactions.cacheRead,
    ...cacheWrites(total, messages, compactions),
    outputText: output - reasoning,
    reasoning,
  };
}

/** Where both say as much, who tells writes for 1 h from others is right. */
function cacheWrites(
  total: TokenCounts,
  messages: TokenCounts,
  compactions: TokenCounts,
): Pick<TokenCounts, "cacheWrite5m" | "cacheWrite1h"> {
  const more =
    messages.cacheWrite5m + messages.cacheWrite1h - total.cacheWrite5m - total.cacheWrite1h;
  const isMessages = more > 0 || (more === 0 && messages.cacheWrite1h > total.cacheWrite1h);
  const base = isMessages ? messages : total;
  return {
    cacheWrite5m: base.cacheWrite5m + compactions.cacheWrite5m,
    cacheWrite1h: base.cacheWrite1h + compactions.cacheWrite1h,
  };
}

function sumOf(iterations: RawObject[], wanted: string): TokenCounts {
  const sum = noTokens();
  for (const iteration of iterations.filter(({ type }) => type === wanted)) {
    const tokens = tokensOf(figuresOf(iteration));
    for (const kind of TOKEN_KINDS) sum[kind] += tokens[kind];
  }
  return sum;
}

/** Iterations of another model, such as an advisor, are not in the totals. */
function extraLines(usage: RawObject): Reading["extraLines"] {
  return iterationsOf(usage).flatMap((iteration) => {
    const { type, model } = iteration;
    if (typeof model !== "string" || EXECUTED.has(type) || type === FALLBACK) return [];
    return [{ model, tokens: tokensOf(figuresOf(iteration)) }];
  });
}

/** The totals are those of the fallback that served. */
function fallbackModel(usage: RawObject): string | null {
  const last = iterationsOf(usage).findLast(({ type }) => type === FALLBACK);
  return text(last?.model);
}

/** Requests to server tools: web_search_requests, web_fetch_requests and those to come. */
function serverToolUnits(usage: RawObject): Record<string, number> {
  const uses = valueAt(usage, "server_tool_use");
  if (!isObject(uses)) return {};
  return Object.fromEntries(
    Object.entries(uses).filter(
      ([name, uses]) => /_requests$/.test(name) && isCount(uses) && uses > 0,
    ),
  ) as Record<string, number>;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
