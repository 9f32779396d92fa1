/** What budgets keep beside the ledger of a service: grants, alerts, the audit log. */
import { join } from "node:path";
import type { Log } from "../admission/ports.ts";
import type { Alert } from "../alerts/alert.ts";
import { budgetAlert } from "../alerts/budget-alert.ts";
import type { AlertConfig } from "../alerts/config.ts";
import { noteMarks } from "../alerts/note-marks.ts";
import { openAlerts } from "../alerts/open-alerts.ts";
import { readSpendHistory } from "../alerts/spend-history.ts";
import { SpendHours, spikeAlert } from "../alerts/spend-hours.ts";
import { type AuditEntry, type AuditLog, openAuditLog } from "../audit/audit-log.ts";
import { openPolicyAudit, type PolicyAudit } from "../audit/policy-audit.ts";
import type { UsageRecord } from "../contract/usage-record.ts";
import type { Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import { openNotes } from "../notes/open-notes.ts";
import { startGrantRefresh } from "./grant-refresh.ts";
import { GrantBook } from "./grants.ts";
import type { BudgetAlert } from "./thresholds.ts";

export interface ServiceBudgets {
  grants: GrantBook;
  audit: Pick<AuditLog, "append">;
  policyAudit: Pick<PolicyAudit, "inForce">;
  /** Takes an alert as often as it is met. */
  onBudgetAlert: (alert: BudgetAlert) => void;
  /** Takes any other alert, as often as there is cause. */
  raise: (alert: Alert) => void;
  /** Takes the record of every charge. */
  onCharged: (record: UsageRecord) => void;
  /**
   * Learns from a store that this service alone writes what apps usually spend; a service among
   * others sees but its share, and must compare with that.
   */
  learnSpending: (store: Pick<Store, "records">) => void;
  /** Everything taken is written, handed on or given up when it resolves. */
  close(): Promise<void>;
}

export interface ServiceBudgetOptions {
  /** Store URL. */
  store: string;
  /** Folder for files; null: they are not kept. */
  state: string | null;
  alerts: AlertConfig;
}

/**
 * Opens all of it.
 * @throws where a file of the folder cannot be used
 */
export async function openServiceBudgets(
  { store, state, alerts: config }: ServiceBudgetOptions,
  metrics: Metrics,
  log: Log,
): Promise<ServiceBudgets> {
  const nowMs = Date.now;
  const notes = await openNotes(store, state, nowMs, (warning) => log.warn({ warning }, "notes"));
  const grants = new GrantBook(notes);
  const marks = noteMarks(notes, nowMs);
  const count = (sender: string, result: string) => metrics.alerts.inc({ sender, result });
  const alerts = openAlerts({ config, marks, count, log, nowMs });
  const hours = new SpendHours();
  let learning: Promise<void> = Promise.resolve();
  let isClosing = false;
  const audit = await openAudit(state, log);
  const refresh = startGrantRefresh(grants, log);
  await refresh.run();
  return {
    grants,
    audit: audit.log,
    policyAudit: audit.policies,
    raise: (alert) => alerts.raise(alert),
    onBudgetAlert: (reached) => alerts.raise(budgetAlert(reached, nowMs())),
    onCharged(record) {
      const spike = hours.add(record);
      if (spike !== null) alerts.raise(spikeAlert(spike, nowMs()));
    },
    learnSpending(from) {
      learning = readSpendHistory(from, hours, nowMs(), () => isClosing).catch((error: unknown) => {
        log.warn({ err: error }, "what apps usually spend is not known yet: spikes come later");
      });
    },
    async close() {
      isClosing = true;
      await learning;
      await refresh.stop();
      await alerts.close();
      await audit.policies.flush();
      await audit.log.close();
      await notes.close();
    },
  };
}

async function openAudit(
  state: string | null,
  log: Log,
): Promise<{ log: AuditLog; policies: PolicyAudit }> {
  if (state === null) return loggedOnly(log);
  const audit = await openAuditLog(join(state, "audit.jsonl"), Date.now);
  return { log: audit, policies: await openPolicyAudit(join(state, "in-force.json"), audit, log) };
}

/** A service that keeps nothing says in its own log what changed. */
function loggedOnly(log: Log): { log: AuditLog; policies: PolicyAudit } {
  const append = async (entries: readonly AuditEntry[]) => {
    for (const entry of entries) log.info(entry, "audit");
  };
  return {
    log: { append, close: async () => {} },
    policies: { inForce: () => {}, flush: async () => {} },
  };
}
