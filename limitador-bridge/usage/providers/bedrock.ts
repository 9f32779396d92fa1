/**
 * Amazon Bedrock. Converse and the invocation metrics exclude cached tokens from the input; every
 * model's invocation has the same counts in headers.
 */

import type { Capture } from "../capture.ts";
import { BEDROCK_HEADERS } from "../capture-pointers.ts";
import { type Figures, figuresOf, isCount, type RawObject, valueAt } from "../figures.ts";
import { noTokens } from "../normal-form.ts";
import { emptyReading, type Reading } from "../reading.ts";

/** Reads the `usage` of Converse and of Nova's native format. */
export function readConverse(objects: { value: RawObject }[]): Reading {
  const value = objects.at(-1)?.value ?? {};
  const figures = figuresOf(value);
  const input = figures.main("inputTokens");
  const output = figures.main("outputTokens");
  const write = figures.main("cacheWriteInputTokens", "cacheWriteInputTokenCount") ?? 0;
  const write1h = Math.min(write, longCacheWrites(value));
  return {
    ...emptyReading(),
    tokens: {
      ...noTokens(),
      inputText: input ?? 0,
      cacheRead: figures.main("cacheReadInputTokens", "cacheReadInputTokenCount") ?? 0,
      cacheWrite5m: write - write1h,
      cacheWrite1h: write1h,
      outputText: output ?? 0,
    },
    // Embeddings and reranking have no output.
    final:
      input !== undefined &&
      (output !== undefined || value.totalTokens === input) &&
      !figures.malformed,
    inputKnown: input !== undefined,
  };
}

/** `cacheDetails`: cache writes by time to live. */
function longCacheWrites(value: RawObject): number {
  const list = valueAt(value, "cacheDetails");
  return (Array.isArray(list) ? list : [])
    .filter((entry) => valueAt(entry, "ttl") === "1h")
    .map((entry) => valueAt(entry, "inputTokens"))
    .filter(isCount)
    .reduce((total, count) => total + count, 0);
}

/** Reads `amazon-bedrock-invocationMetrics`, the last thing in an invocation's stream. */
export function readInvocationMetrics(objects: { value: RawObject }[]): Reading {
  const figures = figuresOf(objects.at(-1)?.value ?? {});
  return fromCounts(figures, {
    input: "inputTokenCount",
    output: "outputTokenCount",
    cacheRead: "cacheReadInputTokenCount",
    cacheWrite: "cacheWriteInputTokenCount",
  });
}

/** Reads the counts in the response headers; null where there are none. */
export function readBedrockHeaders(capture: Capture): Reading | null {
  const headers = capture.record.responseHeaders ?? {};
  const count = (name: string) => {
    const text = Object.hasOwn(headers, name) ? headers[name] : undefined;
    return text === undefined || !/^\d{1,16}$/.test(text) ? undefined : Number(text);
  };
  const value = Object.fromEntries(
    Object.entries(BEDROCK_HEADERS).map(([key, name]) => [key, count(name)]),
  );
  if (value.input === undefined && value.output === undefined) return null;
  const names = {
    input: "input",
    output: "output",
    cacheRead: "cacheRead",
    cacheWrite: "cacheWrite",
  };
  return fromCounts(figuresOf(value), names);
}

type Names = Record<"input" | "output" | "cacheRead" | "cacheWrite", string>;

function fromCounts(figures: Figures, names: Names): Reading {
  const input = figures.main(names.input);
  const output = figures.main(names.output);
  return {
    ...emptyReading(),
    tokens: {
      ...noTokens(),
      inputText: input ?? 0,
      cacheRead: figures.main(names.cacheRead) ?? 0,
      cacheWrite5m: figures.main(names.cacheWrite) ?? 0,
      outputText: output ?? 0,
    },
    final: input !== undefined && !figures.malformed,
    inputKnown: input !== undefined,
  };
}
