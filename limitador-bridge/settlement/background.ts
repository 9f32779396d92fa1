/**
 * Responses that run in the background are begun by one request and fetched by others, and each
 * of these may show the usage. It is charged once, under an id made of the response's: by the
 * first fetch that has the last word, or, where there is none in time, by estimate. Pure.
 */
import { createHash } from "node:crypto";
import type { ReserveRequest } from "../ledger/store/store.ts";
import { noTokens, type Usage } from "../usage/normal-form.ts";
import type { Charge } from "./charge.ts";

/** How long the last word is waited for; providers end background responses far earlier. */
const DEADLINE_MS = 24 * 60 * 60 * 1000;

export interface BackgroundSteps {
  /** What the exchange itself is charged: of a background response, one request. */
  charge: Charge;
  /** The response's usage, where this exchange has the last word on it. */
  result: Charge | null;
  /** Keeps the response's estimate until there is a last word. */
  hold: ReserveRequest | null;
}

/** Splits what an exchange shows of a background response from the exchange itself. */
export function backgroundSteps(charge: Charge): BackgroundSteps {
  const { usage, settlement } = charge;
  if (usage.settleKey === undefined || usage.source === "none") {
    return { charge, result: null, hold: null };
  }
  const id = responseId(usage, usage.settleKey);
  const record = { ...settlement.record, id };
  const amounts = { ...settlement.amounts, requests: 0 };
  const own = withoutUsage(charge);
  if (usage.source === "reported") {
    const result = { ...charge, settlement: { ...settlement, id, amounts, record } };
    return { charge: own, result, hold: null };
  }
  const claims = settlement.claims.map((claim) => {
    const expected = amounts[claim.unit];
    // It runs already: held and counted, never refused.
    return { ...claim, reserve: expected, onExpiry: expected, enforced: false };
  });
  return {
    charge: own,
    result: null,
    hold: { id, claims, holdMs: DEADLINE_MS, expiryRecord: record },
  };
}

/** The provider's own ids have any length, and another's may be the same. */
function responseId(usage: Usage, key: string): string {
  const hash = createHash("sha256").update(JSON.stringify([usage.provider, key]));
  return `background-${hash.digest("base64url")}`;
}

function withoutUsage({ raw, usage, settlement }: Charge): Charge {
  const { detail: _, otherUnits: __, providerCostNanoUsd: ___, ...record } = settlement.record;
  const tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0, total: 0 };
  return {
    raw,
    usage: { ...usage, tokens: noTokens(), source: "none" },
    settlement: {
      ...settlement,
      amounts: { total: 0, input: 0, output: 0, requests: 1, usd: 0 },
      record: { ...record, tokens, costNanoUsd: 0, source: "reported", reason: "background" },
    },
  };
}
