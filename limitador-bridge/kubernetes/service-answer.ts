/** What the budget service says of its policies and budgets. */
import { basename } from "node:path";
import type { Static } from "typebox";
import type { Budget } from "../api/budget-answer.ts";
import type { PolicyStatus } from "../policy/policy-set.ts";

/** An entry of GET /v1/policies, as far as it is read here. */
export type PolicyEntry = Pick<
  PolicyStatus,
  "file" | "accepted" | "inForce" | "problems" | "warnings"
>;

/** An entry of GET /v1/budgets, as far as it is read here. */
export type BudgetEntry = Pick<Static<typeof Budget>, "policy" | "spentNanoUsd" | "utilization">;

export interface ServiceAnswer {
  policies: PolicyEntry[];
  /** Or why they could not be told, as while the ledger is away. */
  budgets: BudgetEntry[] | { failed: string };
}

/** "gone": nothing listens there, so the service does not run. */
export type ServiceState = ServiceAnswer | "gone" | { failed: string };

const TIMEOUT_MS = 5_000;

async function get(api: string, path: string): Promise<unknown> {
  const response = await fetch(api + path, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

function causeOf(error: unknown): NodeJS.ErrnoException {
  return ((error as Error).cause ?? error) as NodeJS.ErrnoException;
}

/**
 * Asks the service what it has in force and what was spent. Never rejects.
 * @param api URL without a path, e.g. http://127.0.0.1:8080
 */
export async function askService(api: string): Promise<ServiceState> {
  try {
    const { policies } = (await get(api, "/v1/policies")) as { policies: PolicyEntry[] };
    const budgets = await get(api, "/v1/budgets").then(
      (answer) => (answer as { budgets: BudgetEntry[] }).budgets,
      (error: unknown) => ({ failed: causeOf(error).message }),
    );
    return { policies, budgets };
  } catch (error) {
    const { code, message } = causeOf(error);
    return code === "ECONNREFUSED" ? "gone" : { failed: message };
  }
}

/** Entries by the name of their file. */
export function entriesByFile(policies: readonly PolicyEntry[]): Map<string, PolicyEntry> {
  return new Map(policies.map((entry) => [basename(entry.file), entry]));
}
