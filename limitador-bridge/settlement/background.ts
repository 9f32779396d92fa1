/**
 * Responses that run in the background are begun by one request and fetched by others, and each
 * of these may show the usage. A response is one request with one charge, under an id made of the
 * response's: an estimate from the request that begins it, replaced once by the last word of
 * whichever exchange is the first to show it. Pure.
 */
import { createHash } from "node:crypto";
import type { SettlementRecord } from "../contract/filter.ts";
import type { UsageRecord } from "../contract/usage-record.ts";
import { noTokens, type Usage } from "../usage/normal-form.ts";
import type { Charge } from "./charge.ts";

/** How long ids are sure to be remembered; providers end background responses far earlier. */
const DEADLINE_MS = 24 * 60 * 60 * 1000;
const CREATED = ["/response/created_at", "/created_at"];

export type Steps =
  /** Nothing runs in the background. */
  | { kind: "plain"; charge: Charge }
  | {
      kind: "background";
      /** The response's charge; an estimate is provisional. */
      response: Charge;
      /** What the exchange itself is charged where the response's charge is not its own. */
      own: Charge;
      /** The exchange with no charge. */
      nothing: Charge;
      /** Fetched so long after it began that its charge may have been forgotten. */
      isLate: boolean;
    };

/** Tells what an exchange shows of a background response from the exchange itself. */
export function backgroundSteps(charge: Charge): Steps {
  const { usage, settlement, raw } = charge;
  if (usage.settleKey === undefined) {
    return { kind: "plain", charge: isFetch(raw) ? withRequests(charge, 0) : charge };
  }
  const id = responseId(usage, usage.settleKey);
  const nothing = withoutUsage(charge);
  // Two requests that begin one response are two responses to whoever bills them.
  const own = isFetch(raw) ? nothing : charge;
  const isEstimate = usage.source === "estimated";
  const response = {
    ...charge,
    settlement: isEstimate
      ? { ...settlement, id, provisional: true }
      : // Of its own id, since the exchange may also have a record with none of the usage.
        { ...settlement, id, record: { ...settlement.record, id } },
  };
  return { kind: "background", response, own, nothing, isLate: isFetch(raw) && isLate(raw) };
}

/** What is left of the record of an estimate when `by` stands for the response. */
export function supersededRecord(estimate: UsageRecord, by: UsageRecord): UsageRecord {
  return uncharged(estimate, `settled by ${by.id}`);
}

/** The provider's own ids have any length, and another's may be the same. */
function responseId(usage: Usage, key: string): string {
  const hash = createHash("sha256").update(JSON.stringify([usage.provider, key]));
  return `background-${hash.digest("base64url")}`;
}

/** Fetching a response is no request to a model. */
function isFetch({ llm }: SettlementRecord): boolean {
  return llm.api?.endsWith(".retrieve") === true;
}

function withRequests(charge: Charge, requests: number): Charge {
  const { settlement } = charge;
  const amounts = { ...settlement.amounts, requests };
  return { ...charge, settlement: { ...settlement, amounts } };
}

/** Begun so long ago that its charge, if there was one, may have been forgotten. */
function isLate({ facts, timeMs }: SettlementRecord): boolean {
  const created = CREATED.map((pointer) => facts?.[pointer]).find(
    (value) => typeof value === "number",
  );
  return created !== undefined && timeMs - created * 1000 > DEADLINE_MS;
}

/** The exchange is no request of its own: the response is, and it is charged elsewhere. */
function withoutUsage({ raw, usage, settlement }: Charge): Charge {
  return {
    raw,
    usage: { ...usage, tokens: noTokens(), source: "none" },
    settlement: {
      ...settlement,
      amounts: { total: 0, input: 0, output: 0, requests: 0, usd: 0 },
      record: uncharged(settlement.record, "background"),
    },
  };
}

function uncharged(record: UsageRecord, reason: string): UsageRecord {
  const { detail: _, otherUnits: __, providerCostNanoUsd: ___, pricedAs: ____, ...rest } = record;
  const tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0, total: 0 };
  return { ...rest, tokens, costNanoUsd: 0, priced: true, source: "reported", reason };
}
