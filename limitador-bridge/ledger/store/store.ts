/**
 * What the ledger asks of a store. One behaviour suite (test/store) holds for every
 * implementation. All amounts are integers ≥ 0 below 2^53; all times are ms since 1970.
 *
 * The life of one exchange:
 *   reserve ─► hold ─► settle            the hold is replaced by the truth
 *                 ├──► release           nothing was spent
 *                 └──► expire ─► settle  input estimate charged, corrected by a late settlement
 */
import type { UsageRecord } from "../../contract/usage-record.ts";
import type { Window } from "../window.ts";

/** What is counted: tokens of a kind, requests, or nano-USD. */
export type Unit = "total" | "input" | "output" | "requests" | "usd";
export type Amounts = Record<Unit, number>;

/** One limit that a request matched. */
export interface LimitClaim {
  /** Names the counter: policy, limit, rate and the counter values. Same key, same counter. */
  key: string;
  unit: Unit;
  limit: number;
  window: Window;
  /** Held until settled. 0: published Kuadrant semantics, admit while used + held < limit. */
  reserve: number;
  /** Charged when the hold expires with no settlement. */
  onExpiry: number;
  /** false: shadow mode; counted, never denied. */
  enforced: boolean;
  /**
   * On Redis Cluster, counters with one value here are kept together, so that claims on them are
   * decided in one step, e.g. the counter values. Always the same for one key; the key itself
   * where not given.
   */
  shardBy?: string;
}

export interface CounterView {
  key: string;
  unit: Unit;
  limit: number;
  used: number;
  held: number;
  /** max(0, limit − used − held) */
  remaining: number;
  /** End of the window; for a fixed window not yet begun, now + its length. */
  resetsAtMs: number;
}

export interface ReserveRequest {
  /** Reserving twice with one id is the same reservation: the second call changes nothing. */
  id: string;
  claims: LimitClaim[];
  holdMs: number;
  /** Written when the hold expires unsettled; the store fills in nothing. */
  expiryRecord: UsageRecord;
}

export type ReserveResult =
  | { admitted: true; counters: CounterView[] }
  /** `violated`: every enforced claim that does not fit. Nothing was changed. */
  | { admitted: false; counters: CounterView[]; violated: CounterView[] };

export interface Settlement {
  id: string;
  amounts: Amounts;
  /** Charged where no reservation of this id is known (the service was away, or lost it). */
  claims: LimitClaim[];
  record: UsageRecord;
}

export interface SettleResult {
  id: string;
  /** true: this id was settled before; nothing was changed. */
  duplicate: boolean;
  counters: CounterView[];
}

export interface RecordQuery {
  requestId?: string;
  user?: string;
  team?: string;
  app?: string;
  model?: string;
  sinceMs?: number;
  untilMs?: number;
  limit: number;
  /** Opaque, from a former page. */
  cursor?: string;
}
export interface RecordPage {
  /** Newest first. */
  records: UsageRecord[];
  next: string | null;
}

export interface Store {
  /** Reserves on every claim or on none, in one atomic step. */
  reserve(request: ReserveRequest): Promise<ReserveResult>;
  /** Settles each, once for ever (ids are remembered ≥ 24 h). Durable before it resolves. */
  settle(settlements: Settlement[]): Promise<SettleResult[]>;
  /** Gives a hold back without a charge. Unknown or settled ids: no effect. */
  release(id: string): Promise<void>;
  /** Ends holds that are over: charges onExpiry, writes expiryRecord. Returns their ids. */
  expire(): Promise<string[]>;
  /** Stores a record that no limit is charged for (denials). */
  appendRecord(record: UsageRecord): Promise<void>;
  counters(prefix: string, limit: number): Promise<CounterView[]>;
  records(query: RecordQuery): Promise<RecordPage>;
  /** Throws when the store cannot be reached. */
  ping(): Promise<void>;
  /** Everything acknowledged is durable when this resolves. */
  close(): Promise<void>;
}
