/** From one record of a batch to what it charges, and to whom. */
import type { Log, Prices } from "../admission/ports.ts";
import { estimatedUsage } from "../admission/reservation.ts";
import { chargedClaims, priceModelFor } from "../budget/charged-claims.ts";
import type { GrantSource } from "../budget/grants.ts";
import type { SettlementRecord } from "../contract/filter.ts";
import type { Settlement } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import { matchRequest } from "../policy/match-memo.ts";
import type { MatchedLimit, Payer, PolicySet } from "../policy/policy-set.ts";
import { outcomeOf } from "../usage/ending.ts";
import { inputTotal, outputTotal, type Usage } from "../usage/normal-form.ts";
import { costOf } from "./cost.ts";
import { withExtractedTotal } from "./extracted-total.ts";
import { readRecord } from "./repair.ts";
import { chargedAmounts, usageRecord } from "./usage-record.ts";

export interface ChargeParts {
  policies: () => PolicySet;
  prices: () => Prices;
  /** What the exchange used; must hold for any record, may throw only by mistake. */
  interpret: (record: SettlementRecord) => Usage;
  metrics: Metrics;
  log: Log;
  grants: GrantSource;
  nowMs: () => number;
}

/** Bytes per token where not even the estimate works. */
const FALLBACK_BYTES_PER_TOKEN = 4;

/** What an exchange is charged. */
export interface Charge {
  raw: SettlementRecord;
  usage: Usage;
  settlement: Settlement;
}

/** Interprets, prices and attributes one record. Whatever it is, something sound comes of it. */
export function chargeOf(parts: ChargeParts, raw: unknown): Charge {
  const { record, problem } = readRecord(raw, parts.nowMs());
  const usage = usageOf(parts, record);
  if (problem === null) return build(parts, record, usage);
  parts.metrics.settlements.inc({ result: "malformed" });
  parts.log.error({ id: record.id, problem }, "malformed settlement: charged by estimate");
  return build(parts, record, usage.source === "none" ? usage : neverFree(usage));
}

/** What is known of a malformed record's exchange is no report, and it did run. */
function neverFree(usage: Usage): Usage {
  const tokens = { ...usage.tokens };
  if (inputTotal(tokens) + outputTotal(tokens) === 0) tokens.inputText = 1;
  return { ...usage, tokens, source: "estimated", reason: "malformed_settlement" };
}

function usageOf(parts: ChargeParts, record: SettlementRecord): Usage {
  try {
    const usage = parts.interpret(record);
    return withExtractedTotal(usage, record, parts.policies().totalTokensPointers);
  } catch (error) {
    parts.log.error({ id: record.id, err: error }, "usage not understood: charged by estimate");
    const tokens = (bytes: number) => Math.ceil(bytes / FALLBACK_BYTES_PER_TOKEN);
    const { llm, outputBytes } = record;
    const usage = estimatedUsage(llm, tokens(llm.inputBytes), tokens(outputBytes));
    return { ...usage, reason: "interpretation_failed" };
  }
}

function build(parts: ChargeParts, record: SettlementRecord, usage: Usage): Charge {
  const { payer, limits } = ownerOf(parts, record);
  const exchange = {
    id: record.id,
    timeMs: record.timeMs,
    requestId: record.requestId ?? null,
    llm: record.llm,
    modelSent: record.modelSent ?? null,
    payer,
    outcome: outcomeOf(record, usage),
    status: record.status,
    durationMs: record.durationMs,
  };
  const cost = costOf(parts.prices(), record, usage, {
    limits,
    budgetModel: priceModelFor(parts.policies().budgets, payer),
  });
  const written = usageRecord(exchange, usage, cost, parts.nowMs());
  const settlement: Settlement = {
    id: record.id,
    amounts: chargedAmounts(written),
    // Charged, never refused: it has run.
    claims: chargedClaims(parts, {
      limits,
      payer,
      model: record.modelSent ?? record.llm.model ?? usage.model,
    }),
    record: written,
    ...(record.lease === undefined ? {} : { lease: record.lease }),
  };
  return { raw: record, usage, settlement };
}

/** Who pays and which limits count it, where admission left no reservation that says so. */
function ownerOf(
  parts: ChargeParts,
  record: SettlementRecord,
): { payer: Payer; limits: MatchedLimit[] } {
  try {
    const policies = parts.policies();
    const { limits, errors, payer } = matchRequest(policies, record.attributes, record.llm);
    // With a reservation the same failures were counted when it was made.
    for (const { policy, limit } of record.reservation === null ? errors : []) {
      parts.metrics.evaluationErrors.inc({ policy, limit });
    }
    return { payer, limits };
  } catch (error) {
    parts.log.error({ id: record.id, err: error }, "policies failed on a settlement");
    return { payer: { team: null, app: null, user: null, task: null }, limits: [] };
  }
}
