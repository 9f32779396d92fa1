/** Settlements: batches of charges, made durable once each. */
import type { SettleAnswer, SettlementRecord } from "../contract/filter.ts";
import { ApiError } from "../errors.ts";
import type { ReserveRequest, Settlement, SettleResult, Store } from "../ledger/store/store.ts";
import { StoreError } from "../ledger/store/store-error.ts";
import type { Usage } from "../usage/normal-form.ts";
import { backgroundSteps } from "./background.ts";
import { type Charge, type ChargeParts, chargeOf } from "./charge.ts";

export interface SettlementParts extends ChargeParts {
  store: Pick<Store, "settle" | "reserve">;
  /** Learns bytes per token from an exchange whose usage was reported. */
  learn: (record: SettlementRecord, usage: Usage) => void;
}

/**
 * Settles a batch. It resolves only when all of it is durable; a batch that is sent again counts
 * nothing twice.
 * @throws ApiError store_unavailable: nothing can be said of the batch, it has to be sent again.
 */
export async function settle(parts: SettlementParts, records: unknown[]): Promise<SettleAnswer> {
  if (records.length === 0) return { accepted: 0, duplicate: 0 };
  const batch = records.map((raw) => backgroundSteps(chargeOf(parts, raw)));
  const charges = batch.flatMap(({ charge, result }) =>
    result === null ? [charge] : [charge, result],
  );
  const deferred = batch.flatMap(({ hold }) => (hold === null ? [] : [hold]));
  const results = await whileStoreLasts(parts, records.length, async () => {
    await Promise.all(deferred.map((hold) => holdDeferred(parts, hold)));
    return settleSplit(
      parts,
      charges.map(({ settlement }) => settlement),
    );
  });
  const counted = new Set(charges.filter((_, index) => results[index]?.duplicate === false));
  for (const charge of counted) account(parts, charge);
  const accepted = batch.filter(({ charge }) => counted.has(charge)).length;
  const duplicate = batch.length - accepted;
  parts.metrics.settlements.inc({ result: "accepted" }, accepted);
  parts.metrics.settlements.inc({ result: "duplicate" }, duplicate);
  return { accepted, duplicate };
}

async function holdDeferred({ store, log }: SettlementParts, hold: ReserveRequest): Promise<void> {
  try {
    await store.reserve(hold);
  } catch (error) {
    if (!isInvalidInput(error)) throw error;
    log.error({ id: hold.id, err: error }, "limits cannot count a background response");
    await store.reserve({ ...hold, claims: [] });
  }
}

async function whileStoreLasts<T>(
  { metrics, log }: SettlementParts,
  records: number,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    metrics.storeErrors.inc();
    log.error({ err: error, records }, "store failed: batch not settled");
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

/** What happens once for each settlement that counted. */
function account(parts: SettlementParts, { raw, usage, settlement }: Charge): void {
  parts.metrics.countRecord(settlement.record);
  if (usage.source !== "reported") return;
  try {
    parts.learn(raw, usage);
  } catch (error) {
    parts.log.error({ id: raw.id, err: error }, "nothing learned from a settlement");
  }
}
