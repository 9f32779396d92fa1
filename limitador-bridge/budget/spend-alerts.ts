/** Which alerts a charge gives cause to. */
import type { CounterView } from "../ledger/store/store.ts";
import type { Payer } from "../policy/policy-set.ts";
import type { BudgetsInForce } from "./charged-claims.ts";
import { alertSubjects, type BudgetAlert, thresholdsCrossed } from "./thresholds.ts";

/**
 * Every threshold that the payer's budgets have reached, also those reached before: what was sent
 * is known by its mark, and what a crash kept from being sent is made good.
 * @param counters as they are after the charge
 */
export function alertsReached(
  parts: BudgetsInForce,
  payer: Pick<Payer, "team">,
  counters: readonly CounterView[],
): BudgetAlert[] {
  const found = parts.policies().budgets.match(payer);
  if (found.kind !== "budget") return [];
  const grants = parts.grants.of(found.match, parts.nowMs());
  return alertSubjects(found.match, grants).flatMap((subject) => {
    const view = counters.find(({ key }) => key === subject.key);
    if (view === undefined) return [];
    const { used: afterNanoUsd, resetsAtMs } = view;
    return thresholdsCrossed(subject, { beforeNanoUsd: 0, afterNanoUsd, resetsAtMs });
  });
}
