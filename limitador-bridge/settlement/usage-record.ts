/** Usage, priced and owned, as the record that is kept. Pure. */
import type { LlmRequest } from "../contract/filter.ts";
import type { RecordTokens, UsageRecord } from "../contract/usage-record.ts";
import { isoTime } from "../iso-time.ts";
import type { Amounts } from "../ledger/store/store.ts";
import type { Payer } from "../policy/policy-set.ts";
import { NOT_FORWARDED } from "../usage/interpret.ts";
import {
  inputTotal,
  outputTotal,
  TOKEN_KINDS,
  type TokenCounts,
  type Usage,
} from "../usage/normal-form.ts";

import type { ChargedCost } from "./cost.ts";

/** Clients choose models and request ids; a record does not grow with them. */
const MAX_TEXT_LENGTH = 256;

/** What is known of an exchange beside its usage. */
export interface Exchange {
  id: string;
  /** ms since 1970, by the proxy's clock. */
  timeMs: number;
  requestId: string | null;
  llm: LlmRequest;
  /** The model that was sent upstream, where it is not the one asked for. */
  modelSent: string | null;
  payer: Payer;
  outcome: UsageRecord["outcome"];
  status: number;
  durationMs?: number;
}

/** Makes the record. `nowMs` bounds the time: a proxy's clock may run ahead. */
export function usageRecord(
  exchange: Exchange,
  usage: Usage,
  cost: ChargedCost,
  nowMs: number,
): UsageRecord {
  const tokens = allTokens(usage);
  const detail = aboveZero(tokens);
  const { payer, llm } = exchange;
  const record: UsageRecord = {
    id: exchange.id,
    time: isoTime(Math.min(exchange.timeMs, nowMs)),
    requestId: clip(exchange.requestId),
    api: clip(llm.api),
    provider: clip(usage.provider),
    requestedModel: clip(llm.model),
    model: clip(usage.model ?? exchange.modelSent ?? llm.model),
    team: clip(payer.team),
    app: clip(payer.app),
    user: clip(payer.user),
    task: clip(payer.task),
    tokens: recordTokens(tokens),
    costNanoUsd: cost.costNanoUsd,
    priced: cost.priced && (cost.unpriced ?? []).length === 0,
    // Nothing charged is what the provider told, by an error or by the endpoint.
    source: usage.source === "estimated" ? "estimated" : "reported",
    outcome: exchange.outcome,
    status: exchange.status,
  };
  if (isAnyIn(detail)) record.detail = detail;
  if (isAnyIn(usage.otherUnits)) record.otherUnits = usage.otherUnits;
  if (cost.pricedAs !== undefined) record.pricedAs = cost.pricedAs;
  if (usage.providerCostNanoUsd !== null) record.providerCostNanoUsd = usage.providerCostNanoUsd;
  if (exchange.durationMs !== undefined) record.durationMs = exchange.durationMs;
  if (usage.serviceTier !== null) record.serviceTier = clip(usage.serviceTier) as string;
  if (usage.reason !== null) record.reason = usage.reason;
  return record;
}

function isAnyIn(counts: Readonly<Record<string, number>>): boolean {
  for (const _name in counts) return true;
  return false;
}

/** What a record charges to limits, by unit. Every exchange that was let go is one request. */
export function chargedAmounts(record: UsageRecord): Amounts {
  return {
    total: record.tokens.total,
    input: record.tokens.input,
    output: record.tokens.output,
    requests: record.reason === NOT_FORWARDED ? 0 : 1,
    usd: record.costNanoUsd,
  };
}

/** The usage's own tokens and those billed on top at other models' prices. */
function allTokens({ tokens, extraLines }: Usage): Readonly<TokenCounts> {
  if (extraLines.length === 0) return tokens;
  const sum = { ...tokens };
  for (const line of extraLines) {
    for (const kind of TOKEN_KINDS) sum[kind] += line.tokens[kind];
  }
  return sum;
}

function recordTokens(counts: Readonly<TokenCounts>): RecordTokens {
  const input = inputTotal(counts);
  const output = outputTotal(counts);
  return {
    input,
    output,
    cacheRead: counts.cacheRead,
    cacheWrite: counts.cacheWrite5m + counts.cacheWrite1h,
    reasoning: counts.reasoning,
    total: input + output,
  };
}

function aboveZero(counts: Readonly<TokenCounts>): Record<string, number> {
  const found: Record<string, number> = {};
  for (const kind of TOKEN_KINDS) {
    if (counts[kind] > 0) found[kind] = counts[kind];
  }
  return found;
}

function clip(text: string | null): string | null {
  return text === null || text.length <= MAX_TEXT_LENGTH ? text : text.slice(0, MAX_TEXT_LENGTH);
}
