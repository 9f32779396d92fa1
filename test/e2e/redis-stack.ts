/** Tollgate on a store of any kind, and what its replicas say of the ledger. */
import { setTimeout as sleep } from "node:timers/promises";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { send } from "./client.ts";
import { type Stack, startStack } from "./harness.ts";
import { IDENTITY } from "./policies.ts";

export interface RedisStackOptions {
  /** As in STORE=. */
  store: string;
  upstream: string;
  /** The `limits` of the one policy, as YAML. */
  limits: string;
  /** Where each service keeps its journal, where the store is Redis. */
  journal: string;
  env?: Record<string, string>;
  failureMode?: "allow" | "deny";
}

export function startRedisStack(options: RedisStackOptions): Promise<Stack> {
  const { store, upstream, limits, journal, env, failureMode = "allow" } = options;
  return startStack({
    upstream,
    policies: { "identity.yaml": IDENTITY, "limits.yaml": policy(limits, failureMode) },
    store,
    env: { JOURNAL: journal, WORKERS: "1", ...env },
  });
}

function policy(limits: string, failureMode: string): string {
  return `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: limits, namespace: default}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: api-gateway}
  failureMode: ${failureMode}
  limits:
${limits.replace(/^/gm, "    ")}
`;
}

export interface Limit {
  limitName: string;
  limit: number;
  unit: string;
  counters: string[];
  used: number;
  held: number;
}

export async function limitsOf(apiUrl: string): Promise<Limit[]> {
  const reply = await send(`${apiUrl}/v1/limits?max=1000`);
  if (reply.status !== 200) throw new Error(`/v1/limits answered ${reply.status}: ${reply.text}`);
  return (JSON.parse(reply.text) as { limits: Limit[] }).limits;
}

/** Every usage record that there is. */
export async function allRecords(apiUrl: string): Promise<UsageRecord[]> {
  const records: UsageRecord[] = [];
  for (let cursor = ""; ; ) {
    const at = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const reply = await send(`${apiUrl}/v1/usage?limit=500${at}`);
    if (reply.status !== 200) throw new Error(`/v1/usage answered ${reply.status}: ${reply.text}`);
    const page = JSON.parse(reply.text) as { records: UsageRecord[]; next: string | null };
    records.push(...page.records);
    if (page.next === null) return records;
    cursor = page.next;
  }
}

/** Waits until a service uses its store and has nothing left to tell it. */
export async function untilToldAll(apiUrl: string, deadlineMs: number): Promise<void> {
  await until(`${apiUrl} has told the store all`, deadlineMs, async () => {
    const { text } = await send(`${apiUrl}/readyz`);
    const { status, store } = JSON.parse(text) as {
      status: string;
      store: { circuit: string; journaledBytes: number };
    };
    return status === "ready" && store.circuit === "closed" && store.journaledBytes === 0;
  });
}

/** Waits until it is so; what throws is not so. */
export async function until(
  what: string,
  deadlineMs: number,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await sleep(50);
  }
}
