/**
 * Reads one record of a settlement batch. A record that is not as the contract says is not lost
 * and does not lose the others: what is right of it is kept, the rest takes a value that charges
 * an estimate. Pure.
 */
import { createHash, randomUUID } from "node:crypto";
import type { TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { LlmRequest, SettlementRecord } from "../contract/filter.ts";

export interface ReadRecord {
  record: SettlementRecord;
  /** What was wrong, e.g. `status must be integer`; null for a record as it should be. */
  problem: string | null;
}

const wholeRecord = Compile(SettlementRecord);
const recordFields = fieldValidators(SettlementRecord.properties);
const llmFields = fieldValidators(LlmRequest.properties);

/**
 * Reads a record.
 * @param nowMs stands in for a start time that cannot be read
 */
export function readRecord(raw: unknown, nowMs: number): ReadRecord {
  if (wholeRecord.Check(raw) && isWellFormed(raw.id)) return { record: raw, problem: null };
  const [first] = wholeRecord.Errors(raw);
  const problem = `${first?.instancePath.slice(1) || "record"} ${first?.message ?? "is not valid"}`;
  const given = valid(recordFields, raw);
  if (!isWellFormed(given.id)) delete given.id;
  const llm = { ...presetLlm(), ...valid(llmFields, (raw as { llm?: unknown } | null)?.llm) };
  const record = { ...presetRecord(raw, nowMs), ...given, llm } as SettlementRecord;
  return { record, problem };
}

/** No store takes half a surrogate pair, and it would refuse the record each time it is sent. */
function isWellFormed(id: unknown): boolean {
  return typeof id !== "string" || id.isWellFormed();
}

function fieldValidators(properties: Record<string, TSchema>): [string, Validator][] {
  return Object.entries(properties).map(([name, schema]) => [name, Compile(schema)]);
}

/** The fields of an object that are as their schemas say. */
function valid(fields: [string, Validator][], raw: unknown): Record<string, unknown> {
  if (typeof raw !== "object" || raw === null) return {};
  const found: Record<string, unknown> = {};
  for (const [name, validator] of fields) {
    if (!Object.hasOwn(raw, name)) continue;
    const value = (raw as Record<string, unknown>)[name];
    if (validator.Check(value)) found[name] = value;
  }
  return found;
}

function presetLlm(): LlmRequest {
  return {
    api: null,
    model: null,
    stream: false,
    maxOutputTokens: null,
    choices: 1,
    inputBytes: 0,
  };
}

function presetRecord(raw: unknown, nowMs: number): SettlementRecord {
  return {
    id: contentId(raw),
    reservation: null,
    timeMs: nowMs,
    durationMs: 0,
    attributes: {},
    llm: presetLlm(),
    // As if the answer came: an error would charge nothing.
    status: 200,
    outcome: "truncated",
    framing: "opaque",
    usage: [],
    outputBytes: 0,
  };
}

/** The same bytes sent twice have the same id, so that a retried batch does not charge twice. */
function contentId(raw: unknown): string {
  try {
    const hash = createHash("sha256").update(JSON.stringify(raw) ?? "undefined");
    return `malformed-${hash.digest("hex")}`;
  } catch {
    // Nested too deeply to be written out again.
    return `malformed-${randomUUID()}`;
  }
}
