/** Tells of every charge, once it is durable, so that alerts come of it. */
import type { UsageRecord } from "../contract/usage-record.ts";
import type { Settlement, SettleResult, Store } from "../ledger/store/store.ts";
import type { BudgetsInForce } from "./charged-claims.ts";
import { alertsReached } from "./spend-alerts.ts";
import type { BudgetAlert } from "./thresholds.ts";

export interface ChargeListeners {
  /** Takes an alert as often as it is met; see AlertQueue. */
  onBudgetAlert: (alert: BudgetAlert) => void;
  /** Takes the record of every charge; estimates that will be replaced are none. */
  onCharged: (record: UsageRecord) => void;
}

/** What settlement asks of a store. */
type SettlingStore = Pick<Store, "settle" | "reserve" | "release" | "shrink" | "appendRecord">;

/** The store, with listeners told of what it was charged. */
export function tellingStore(
  parts: BudgetsInForce & ChargeListeners & { store: SettlingStore },
): SettlingStore {
  const { store } = parts;
  return {
    reserve: (request) => store.reserve(request),
    release: (id) => store.release(id),
    shrink: (id, parts) => store.shrink(id, parts),
    appendRecord: (record) => store.appendRecord(record),
    async settle(settlements) {
      const results = await store.settle(settlements);
      tell(parts, settlements, results);
      return results;
    },
  };
}

function tell(
  parts: BudgetsInForce & ChargeListeners,
  settlements: readonly Settlement[],
  results: readonly SettleResult[],
): void {
  // Of several charges to one budget the last says all that there is to say.
  const last = new Map<string | null, SettleResult>();
  for (const [i, { record, provisional }] of settlements.entries()) {
    const result = results[i];
    if (result === undefined || result.duplicate) continue;
    last.set(record.team, result);
    if (provisional !== true) parts.onCharged(record);
  }
  for (const [team, { counters }] of last) {
    for (const alert of alertsReached(parts, { team }, counters)) parts.onBudgetAlert(alert);
  }
}
