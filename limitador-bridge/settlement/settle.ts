/** Settlements: batches of charges, made durable once each. */
import type { LeaseReturn, SettleAnswer, SettlementRecord } from "../contract/filter.ts";
import type { UsageRecord } from "../contract/usage-record.ts";
import { ApiError } from "../errors.ts";
import type { LimitClaim, Settlement, SettleResult, Store } from "../ledger/store/store.ts";
import { StoreError } from "../ledger/store/store-error.ts";
import type { Usage } from "../usage/normal-form.ts";
import { backgroundSteps, type Steps, supersededRecord } from "./background.ts";
import { type Charge, type ChargeParts, chargeOf } from "./charge.ts";

export interface SettlementParts extends ChargeParts {
  store: Pick<Store, "settle" | "reserve" | "release" | "appendRecord" | "shrink">;
  /** Learns bytes per token from an exchange whose usage was reported. */
  learn: (record: SettlementRecord, usage: Usage) => void;
}

const IMPOSSIBLE: LimitClaim = {
  key: "background",
  unit: "requests",
  limit: 0,
  window: { kind: "fixed", lengthMs: 1 },
  reserve: 1,
  onExpiry: 0,
  enforced: true,
};

/** What is logged when the store fails: on the records of a batch, or after they are settled. */
const NOT_SETTLED = "store failed: batch not settled";
const NOT_RETURNED = "store failed: leases not taken back";

/** What became of one record of a batch. */
interface Settled {
  charge: Charge;
  duplicate: boolean;
  /** The record of its hold's expiry, which it takes the place of. */
  expired?: UsageRecord;
}

/**
 * Settles a batch, and takes back leases that admit no more. It resolves only when all of it is
 * durable; a batch that is sent again counts nothing twice.
 * @throws ApiError store_unavailable: nothing can be said of the batch, it has to be sent again.
 */
export async function settle(
  parts: SettlementParts,
  records: unknown[],
  leases: LeaseReturn[] = [],
): Promise<SettleAnswer> {
  const answer = await settleRecords(parts, records);
  // After the records, which still take the place of their parts.
  await whileStoreLasts(parts, NOT_RETURNED, { leases: leases.length }, () =>
    Promise.all(leases.map(({ id, inFlight }) => parts.store.shrink(id, inFlight))),
  );
  return answer;
}

async function settleRecords(parts: SettlementParts, records: unknown[]): Promise<SettleAnswer> {
  if (records.length === 0) return { accepted: 0, duplicate: 0 };
  const batch = records.map((raw) => backgroundSteps(chargeOf(parts, raw)));
  const settled = await whileStoreLasts(parts, NOT_SETTLED, { records: records.length }, () =>
    settleBatch(parts, batch),
  );
  const counted = settled.filter(({ duplicate }) => !duplicate);
  for (const one of counted) account(parts, one);
  const leased = counted.filter(({ charge: { settlement } }) => isLeased(settlement)).length;
  if (leased > 0) parts.metrics.leaseParts.inc({ result: "settled" }, leased);
  const accepted = counted.length;
  const duplicate = settled.length - accepted;
  parts.metrics.settlements.inc({ result: "accepted" }, accepted);
  parts.metrics.settlements.inc({ result: "duplicate" }, duplicate);
  return { accepted, duplicate };
}

/** Charges all at once; around that, does what background responses need beside. */
async function settleBatch(parts: SettlementParts, batch: Steps[]): Promise<Settled[]> {
  const prepared = await Promise.all(batch.map((steps) => prepare(parts, steps)));
  const results = await settleSplit(
    parts,
    prepared.map(({ charge }) => charge.settlement),
  );
  return Promise.all(
    prepared.map(({ charge, again }, index) =>
      finish(parts, charge, again, results[index] as SettleResult),
    ),
  );
}

interface Prepared {
  charge: Charge;
  /** Charged where the store knows `charge` already; null: nothing is. */
  again: Charge | null;
}

/** Moves what admission held for the exchange out of the way of the response's own charge. */
async function prepare(parts: SettlementParts, steps: Steps): Promise<Prepared> {
  if (steps.kind === "plain") return { charge: steps.charge, again: null };
  const { response, own, nothing, isLate } = steps;
  if (isLate && !(await isKnown(parts.store, response.settlement))) {
    // It was estimated, or told before, or begun elsewhere.
    return { charge: nothing, again: null };
  }
  const { settlement } = nothing;
  // An exchange that is sent again holds nothing any more.
  const isFirst = await isKnown(parts.store, settlement);
  await parts.store.release(settlement.id);
  const hasExpired = isFirst && (await isKnown(parts.store, settlement));
  if (hasExpired) await settleSplit(parts, [settlement]);
  return { charge: response, again: isFirst && !hasExpired ? own : null };
}

/** A known id is admitted whatever it claims; an unknown one is not, and nothing is changed. */
async function isKnown(
  store: Pick<Store, "reserve">,
  { id, record }: Settlement,
): Promise<boolean> {
  const claims = [IMPOSSIBLE];
  const result = await store.reserve({ id, claims, holdMs: 1, expiryRecord: record });
  return result.admitted;
}

async function finish(
  parts: SettlementParts,
  charge: Charge,
  again: Charge | null,
  { duplicate, replaced }: SettleResult,
): Promise<Settled> {
  if (duplicate && again !== null) {
    const [result] = await settleSplit(parts, [again.settlement]);
    return { charge: again, duplicate: result?.duplicate ?? true };
  }
  if (replaced === undefined) return { charge, duplicate };
  // Of an expired hold the record is replaced by one of the same exchange.
  if (charge.settlement.id === charge.raw.id) return { charge, duplicate, expired: replaced };
  await parts.store.appendRecord(supersededRecord(replaced, charge.settlement.record));
  return { charge, duplicate };
}

async function whileStoreLasts<T>(
  { metrics, log }: SettlementParts,
  failure: string,
  fields: Record<string, number>,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    metrics.storeErrors.inc();
    log.error({ err: error, ...fields }, failure);
    throw new ApiError("store_unavailable", "the store is not available; send the batch again", {
      cause: error,
    });
  }
}

/**
 * Settles all at once; where the store refuses one of them, each by itself. One with claims that
 * no limit can count (a counter value beyond all bounds) is settled without them: its hold has
 * what admission counted.
 */
async function settleSplit(
  parts: SettlementParts,
  settlements: Settlement[],
): Promise<SettleResult[]> {
  try {
    return await parts.store.settle(settlements);
  } catch (error) {
    if (!isInvalidInput(error)) throw error;
    const [only] = settlements;
    if (only !== undefined && settlements.length === 1) {
      parts.metrics.settlements.inc({ result: "malformed" });
      parts.log.error({ id: only.id, err: error }, "limits cannot count a settlement");
      return parts.store.settle([{ ...only, claims: [] }]);
    }
    const results: SettleResult[] = [];
    for (const one of settlements) results.push(...(await settleSplit(parts, [one])));
    return results;
  }
}

function isInvalidInput(error: unknown): boolean {
  return error instanceof StoreError && error.code === "invalid_input";
}

function isLeased({ lease, provisional }: Settlement): boolean {
  return lease !== undefined && provisional !== true;
}

/** What happens once for each settlement that counted, but for an estimate to be replaced. */
function account(parts: SettlementParts, { charge, expired }: Settled): void {
  const { raw, usage, settlement } = charge;
  if (settlement.provisional === true) return;
  const { api, model } = raw.llm;
  // A request that was admitted under a lease is seen here first.
  if (isLeased(settlement)) parts.metrics.countRequest(api, model, "allow", "lease");
  parts.metrics.countRecord(settlement.record, expired);
  if (usage.source !== "reported") return;
  try {
    parts.learn(raw, usage);
  } catch (error) {
    parts.log.error({ id: raw.id, err: error }, "nothing learned from a settlement");
  }
}
