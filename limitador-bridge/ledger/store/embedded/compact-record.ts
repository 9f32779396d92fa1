/**
 * A usage record as an array, which is half as long as the object: there is one for every
 * exchange, and most of what the store would write are names of fields. Pure.
 */
import type { RecordTokens, UsageRecord } from "../../../contract/usage-record.ts";

type FieldName = Exclude<keyof UsageRecord, "id">;

/**
 * Every field but the id, in the order of the array, and whether each record has it. Only ever
 * appended to, by such as not each has: rows last for more than a year.
 */
const FIELDS: Record<FieldName, "always" | "sometimes"> = {
  time: "always",
  requestId: "always",
  api: "always",
  provider: "always",
  requestedModel: "always",
  model: "always",
  team: "always",
  app: "always",
  user: "always",
  task: "always",
  tokens: "always",
  costNanoUsd: "always",
  priced: "always",
  source: "always",
  outcome: "always",
  status: "always",
  durationMs: "sometimes",
  detail: "sometimes",
  reason: "sometimes",
  serviceTier: "sometimes",
  otherUnits: "sometimes",
  pricedAs: "sometimes",
  providerCostNanoUsd: "sometimes",
};
/** In the order of the array. */
const TOKENS: Record<keyof RecordTokens, number> = {
  input: 0,
  output: 1,
  cacheRead: 2,
  cacheWrite: 3,
  reasoning: 4,
  total: 5,
};
const fieldNames = Object.keys(FIELDS) as FieldName[];
const requiredFields = fieldNames.filter((name) => FIELDS[name] === "always").length;
const tokenNames = Object.keys(TOKENS) as (keyof RecordTokens)[];

/** The id, or null where it is known; then the fields, null for those that it does not have. */
export type CompactRecord = [id: string | null, ...fields: unknown[]];

/** @param knownId is told again to whoever reads it; left out where it is the record's. */
export function compactRecord(record: UsageRecord, knownId: string): CompactRecord {
  const row: CompactRecord = [record.id === knownId ? null : record.id];
  for (const name of fieldNames) {
    row.push(name === "tokens" ? counts(record.tokens) : (record[name] ?? null));
  }
  return row;
}

function counts(tokens: RecordTokens): number[] {
  return tokenNames.map((name) => tokens[name]);
}

/**
 * Reads what compactRecord wrote.
 * @throws TypeError where it lacks something that every record has.
 */
export function readCompactRecord([id, ...values]: CompactRecord, knownId: string): UsageRecord {
  if (values.length < requiredFields) throw new TypeError("expected the fields of a record");
  const record: Record<string, unknown> = { id: id ?? knownId };
  for (const [index, name] of fieldNames.entries()) {
    const value = values[index] ?? null;
    if (name === "tokens") record[name] = tokensOf(value);
    else if (value !== null || FIELDS[name] === "always") record[name] = value;
  }
  return record as UsageRecord;
}

function tokensOf(row: unknown): Record<string, unknown> {
  if (!Array.isArray(row) || row.length !== tokenNames.length) {
    throw new TypeError("expected the tokens of a record");
  }
  return Object.fromEntries(tokenNames.map((name, index) => [name, row[index]]));
}
