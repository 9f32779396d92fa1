/** What is told of the ledger itself: its store is away, or it differs from what was used. Pure. */
import type { Alert } from "./alert.ts";

const STORE_AGAIN_MS = 15 * 60_000;
const DRIFT_AGAIN_MS = 3_600_000;

/** A difference that is more than is let pass. */
export interface LedgerDrift {
  against: "records" | "prometheus";
  /** How many counters, or teams, differ so much. */
  count: number;
  /** The one that differs most. */
  worst: string;
  /** Of that one, 0 to 1. */
  drift: number;
}

/** What is told while the store cannot be asked; the same for a quarter of an hour. */
export function storeAlert(nowMs: number): Alert {
  const decides = "Requests are decided by each policy's failureMode, and charges are journaled";
  return {
    key: `store-unavailable/${beginOf(nowMs, STORE_AGAIN_MS)}`,
    name: "StoreUnavailable",
    severity: "critical",
    summary: `The ledger's store cannot be reached. ${decides} until it is back.`,
    channel: null,
    startsAtMs: nowMs,
    endsAtMs: nowMs + STORE_AGAIN_MS,
    labels: {},
    details: {},
  };
}

/** What is told of a drift; the same for an hour. */
export function driftAlert({ against, count, worst, drift }: LedgerDrift, nowMs: number): Alert {
  const percent = Math.round(drift * 100);
  const most = `by more than 10 %, ${JSON.stringify(worst)} by ${percent} %`;
  const summary =
    against === "records"
      ? `${count} counters differ from the usage records ${most}: run \`tollgate reconcile\`.`
      : `The usage records of ${count} teams differ from Prometheus ${most}.`;
  return {
    key: `ledger-drift/${against}/${beginOf(nowMs, DRIFT_AGAIN_MS)}`,
    name: "LedgerDrift",
    severity: against === "records" ? "critical" : "warning",
    summary,
    channel: null,
    startsAtMs: nowMs,
    endsAtMs: nowMs + DRIFT_AGAIN_MS,
    labels: { against },
    details: { against, count, worst, percent },
  };
}

function beginOf(nowMs: number, lengthMs: number): string {
  return new Date(nowMs - (nowMs % lengthMs)).toISOString();
}
