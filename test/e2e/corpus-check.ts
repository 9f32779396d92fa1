/** Compares what Tollgate recorded and passed on with what a corpus case expects. Pure. */
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import type { CorpusCase, Expectation } from "./corpus-case.ts";

const NANO_DIGITS = 9;
/** The corpus names seconds after what they are seconds of. */
const UNIT_NAMES: Record<string, string[]> = { audio_seconds: ["audio_seconds", "seconds"] };

/** What is wrong with the record (null: there is none); empty when it is as expected. */
export function recordProblems(expect: Expectation, record: UsageRecord | null): string[] {
  if (expect.kind === "error" || expect.kind === "uncharged") return chargeProblems(record);
  if (record === null) return ["no usage record"];
  if (expect.kind === "other_units") return unitProblems(expect.other_units ?? {}, record);
  if (expect.kind === "partial") return estimateProblems(expect, record);
  return [
    ...finalProblems(expect, record),
    ...unitProblems(expect.other_units ?? {}, record),
    ...costProblems(expect, record),
  ];
}

/** What is wrong with the bytes that the client got: they are the recorded ones. */
export function byteProblems(
  given: CorpusCase,
  sent: unknown,
  recorded: Buffer,
  received: Buffer,
): string[] {
  if (received.equals(recorded)) return [];
  if (!asksForUsage(sent) && received.equals(withoutUsageChunks(recorded))) return [];
  let at = 0;
  while (at < received.length && received[at] === recorded[at]) at += 1;
  return [
    `client bytes differ at ${at} (${received.length} of ${recorded.length} bytes): ` +
      `${excerpt(received, at)} instead of ${excerpt(recorded, at)} in ${given.id}`,
  ];
}

/** Takes events with no choices and a usage object out of a stream. */
export function withoutUsageChunks(stream: Buffer): Buffer {
  const events =
    stream.toString("latin1").match(/[\s\S]*?(?:\r\n\r\n|\n\n|\r\r(?!\n))|[\s\S]+$/g) ?? [];
  return Buffer.from(events.filter((event) => !isUsageChunk(event)).join(""), "latin1");
}

function isUsageChunk(event: string): boolean {
  const data = /^data: ?(\{.*\})$/m.exec(event.replaceAll("\r", "\n"))?.[1];
  if (data === undefined) return false;
  try {
    const chunk = JSON.parse(data) as { choices?: unknown; usage?: unknown };
    const empty = Array.isArray(chunk.choices) && chunk.choices.length === 0;
    return empty && typeof chunk.usage === "object" && chunk.usage !== null;
  } catch {
    return false;
  }
}

function asksForUsage(body: unknown): boolean {
  const options = (body as { stream_options?: { include_usage?: unknown } } | null)?.stream_options;
  return options?.include_usage === true;
}

function chargeProblems(record: UsageRecord | null): string[] {
  if (record === null) return [];
  const charged = record.tokens.total + record.costNanoUsd;
  if (charged === 0 && record.otherUnits === undefined) return [];
  return [
    `charged ${record.tokens.total} tokens, ${record.costNanoUsd} nano-USD; expected nothing`,
  ];
}

function finalProblems(expect: Expectation, record: UsageRecord): string[] {
  const extra = expect.extra_lines ?? [];
  const sum = (of: (line: (typeof extra)[number]) => number) =>
    extra.reduce((total, line) => total + of(line), 0);
  const figures: [string, number, number | null][] = [
    [
      "input",
      record.tokens.input,
      plus(
        expect.input_tokens,
        sum((line) => line.input_tokens),
      ),
    ],
    [
      "output",
      record.tokens.output,
      plus(
        expect.output_tokens,
        sum((line) => line.output_tokens),
      ),
    ],
    ["cache read", record.tokens.cacheRead, expect.cache_read_tokens],
    ["cache write", record.tokens.cacheWrite, expect.cache_write_tokens],
    ["reasoning", record.tokens.reasoning, expect.reasoning_tokens],
  ];
  const problems = figures
    .filter(([, got, expected]) => expected !== null && got !== expected)
    .map(([name, got, expected]) => `${name} tokens ${got}, expected ${expected}`);
  if (record.source !== "reported") problems.push(`source ${record.source}, expected reported`);
  return [...problems, ...modelProblems(expect, record)];
}

function plus(number: number | null, more: number): number | null {
  return number === null ? null : number + more;
}

function modelProblems(expect: Expectation, record: UsageRecord): string[] {
  if (expect.model === null || expect.model === record.model) return [];
  return [`model ${record.model}, expected ${expect.model}`];
}

function estimateProblems(expect: Expectation, record: UsageRecord): string[] {
  const { input, output, total } = record.tokens;
  const least = expect.at_least ?? { input_tokens: 0, output_tokens: 0 };
  const problems = modelProblems(expect, record);
  if (record.source !== "estimated") problems.push(`source ${record.source}, expected estimated`);
  if (total <= 0) problems.push("charged nothing; expected an estimate above 0");
  if (input < least.input_tokens) {
    problems.push(`input tokens ${input}, expected at least ${least.input_tokens}`);
  }
  if (output < least.output_tokens) {
    problems.push(`output tokens ${output}, expected at least ${least.output_tokens}`);
  }
  return problems;
}

function unitProblems(expected: Record<string, number>, record: UsageRecord): string[] {
  const units = record.otherUnits ?? {};
  return Object.entries(expected).flatMap(([name, amount]) => {
    const got = (UNIT_NAMES[name] ?? [name])
      .map((each) => units[each])
      .find((n) => n !== undefined);
    return got === amount ? [] : [`${name} ${got ?? "none"}, expected ${amount}`];
  });
}

/** The provider's own price, to the nano-dollar. */
function costProblems(expect: Expectation, record: UsageRecord): string[] {
  if (expect.cost_usd === undefined) return [];
  const expected = nanoUsdUp(expect.cost_usd);
  if (record.providerCostNanoUsd === expected) return [];
  return [`provider's cost ${record.providerCostNanoUsd} nano-USD, expected ${expected}`];
}

/** A decimal string in USD as nano-USD, rounded up; `1.2E-7` is understood too. */
export function nanoUsdUp(usd: string): number {
  const parts = /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(usd);
  if (parts === null) throw new Error(`not a decimal number: ${JSON.stringify(usd)}`);
  const [, whole = "", fraction = "", exponent = "0"] = parts;
  const digits = whole + fraction;
  const scale = NANO_DIGITS + Number(exponent) - fraction.length;
  if (scale >= 0) return Number(digits + "0".repeat(scale));
  const kept = digits.slice(0, Math.max(0, digits.length + scale));
  const dropped = digits.slice(Math.max(0, digits.length + scale));
  return Number(kept === "" ? "0" : kept) + (/[1-9]/.test(dropped) ? 1 : 0);
}

function excerpt(bytes: Buffer, at: number): string {
  return JSON.stringify(bytes.subarray(at, at + 60).toString("latin1"));
}
