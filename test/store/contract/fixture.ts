/** Builders for the store suite: every value is explicit or has a plain default. */
import type { UsageRecord } from "../../../limitador-bridge/contract/usage-record.ts";
import type {
  Amounts,
  LimitClaim,
  RecordQuery,
  ReserveRequest,
  Settlement,
  Store,
} from "../../../limitador-bridge/ledger/store/store.ts";

/** A Monday, 08:00 UTC. */
export const startMs = Date.UTC(2027, 0, 4, 8);

/** A clock that stands still until a test moves it. */
export class TestClock {
  timeMs = startMs;
  nowMs = (): number => this.timeMs;
  advance(ms: number): void {
    this.timeMs += ms;
  }
}

export interface OpenOptions {
  nowMs: () => number;
  recordRetentionMs?: number;
}
/** Opens a store that has nothing in it. */
export type OpenStore = (options: OpenOptions) => Promise<Store>;

export function claim(over: Partial<LimitClaim> = {}): LimitClaim {
  return {
    key: "default/free/tokens/alice",
    unit: "total",
    limit: 100,
    window: { kind: "fixed", lengthMs: 60_000 },
    reserve: 0,
    onExpiry: 0,
    enforced: true,
    ...over,
  };
}

export function record(id: string, over: Partial<UsageRecord> = {}): UsageRecord {
  return {
    id,
    time: new Date(startMs).toISOString(),
    requestId: `request-of-${id}`,
    api: "openai.chat",
    provider: "openai",
    requestedModel: "gpt-4o-mini",
    model: "gpt-4o-mini-2024-07-18",
    team: "research",
    app: "search",
    user: "alice",
    task: null,
    tokens: { input: 3, output: 4, cacheRead: 0, cacheWrite: 0, reasoning: 0, total: 7 },
    costNanoUsd: 2850,
    priced: true,
    source: "reported",
    outcome: "ok",
    status: 200,
    ...over,
  };
}

export const expiryRecordOf = (id: string): UsageRecord =>
  record(id, { source: "estimated", outcome: "truncated", status: 0, reason: "hold expired" });

export function reservation(
  id: string,
  claims: LimitClaim[],
  over: Partial<ReserveRequest> = {},
): ReserveRequest {
  return { id, claims, holdMs: 30_000, expiryRecord: expiryRecordOf(id), ...over };
}

export function amounts(total: number, over: Partial<Amounts> = {}): Amounts {
  return { total, input: 0, output: 0, requests: 1, usd: 0, ...over };
}

export function settlement(
  id: string,
  spent: number | Amounts,
  claims: LimitClaim[] = [],
  over: Partial<UsageRecord> = {},
): Settlement {
  const spentAmounts = typeof spent === "number" ? amounts(spent) : spent;
  return { id, amounts: spentAmounts, claims, record: record(id, over) };
}

/** Ids of all records that a query finds, over all pages. */
export async function recordIds(store: Store, query: Partial<RecordQuery> = {}) {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.records({
      limit: 100,
      ...query,
      ...(cursor === undefined ? {} : { cursor }),
    });
    ids.push(...page.records.map(({ id }) => id));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return ids;
}
