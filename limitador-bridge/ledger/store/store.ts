/**
 * What the ledger asks of a store. One behaviour suite (test/store) holds for every
 * implementation. All amounts are integers ≥ 0 below 2^53; all times are ms since 1970.
 *
 * The life of one exchange:
 *   reserve ─► hold ─► settle            the hold is replaced by the truth
 *                 ├──► release           nothing was spent
 *                 └──► expire ─► settle  input estimate charged, corrected by a late settlement
 * A lease is a hold of several parts, for requests that are not known yet:
 *   reserve ─► parts ─► settle           a settlement that names the lease replaces one part
 *                   ├─► shrink           parts that no request will need are given back
 *                   └─► expire           the parts left are given back, nothing is charged
 * A provisional settlement is corrected in the same way, once.
 */
import type { UsageRecord } from "../../contract/usage-record.ts";
import type { Window } from "../window.ts";

/**
 * What is counted: tokens of a kind, requests, or nano-USD. Scripts on Redis know a unit by its
 * place here, and stored counters were written so: the order stays.
 */
export const UNITS = ["total", "input", "output", "requests", "usd"] as const;
export type Unit = (typeof UNITS)[number];
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
   * How far over the limit a request may go that begins while used + held < limit: it fits where
   * used + held + reserve ≤ limit + allowance. 0 where not given.
   */
  allowance?: number;
  /** Fits only while used + held + reserve < below. */
  below?: number;
  /** Fits only once used + held ≥ from. */
  from?: number;
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
  window: Window;
  /** What was carried over from the last period included. */
  limit: number;
  /** So much of the limit was carried over; absent where nothing was. */
  carriedOver?: number;
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
  /**
   * Further options: where `claims` do not fit, the first of these whose enforced claims all fit
   * is held, and nothing else.
   */
  alternatives?: LimitClaim[][];
  /**
   * Makes it a lease of so many parts: each claim's `reserve` is held that many times, and has to
   * fit (limit, allowance, below) as a whole. `onExpiry` and `expiryRecord` are then not used.
   */
  parts?: number;
  holdMs: number;
  /** Written when the hold expires unsettled; the store fills in nothing. */
  expiryRecord: UsageRecord;
  /**
   * The same where another option is held, 1 being the first of `alternatives`: of the same id,
   * time and request id. Asked only where it may be needed. Not given: `expiryRecord`.
   */
  expiryRecordOf?: (option: number) => UsageRecord;
}

export type ReserveResult =
  | {
      admitted: true;
      /**
       * What is held: 0 `claims`, 1 the first of `alternatives` … For an id that was reserved
       * before, what was held then; 0 where it is settled for good.
       */
      option: number;
      /** Of that option. */
      counters: CounterView[];
    }
  /** Nothing was changed. `counters` and `violated` are those of the last option. */
  | ({ admitted: false; refusals: Refusal[] } & Refusal);

/** Why one option was not taken. */
export interface Refusal {
  counters: CounterView[];
  /** Of every enforced claim that does not fit. */
  violated: CounterView[];
}

export interface Settlement {
  id: string;
  amounts: Amounts;
  /** Charged where no reservation of this id is known (the service was away, or lost it). */
  claims: LimitClaim[];
  record: UsageRecord;
  /**
   * The lease of which one part is replaced by this, and charged where that was reserved. Where
   * the lease is not known, or has no part left, `claims` are charged.
   */
  lease?: string;
  /**
   * Charged and recorded like any other, but a later settlement of this id that is not provisional
   * replaces charge and record (once, within 24 h). A second provisional one is a duplicate.
   */
  provisional?: boolean;
}

export interface SettleResult {
  id: string;
  /** true: this id was settled before, and not provisionally; nothing was changed. */
  duplicate: boolean;
  counters: CounterView[];
  /** Where it was charged; for a duplicate, where its claims are counted now. Redis tells. */
  charges?: Charge[];
  /** The record of an expiry or of a provisional settlement that this one's stands for now. */
  replaced?: UsageRecord;
}

/** One counter's part in a settlement. */
export interface Charge {
  counterId: string;
  /** Index of the shard that the counter is in. */
  shard: number;
  limit: number;
  /** Start of the window that it was charged in. */
  startMs: number;
  /** What was charged before and is replaced: the estimate of an expiry. */
  replaced: number;
  /** See CarryOver in window.ts; 0: nothing is carried over. */
  carryPercent: number;
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
  /** Reserves on every claim of one option or on none, in one atomic step. */
  reserve(request: ReserveRequest): Promise<ReserveResult>;
  /** Settles each, once for ever (ids are remembered ≥ 24 h). Durable before it resolves. */
  settle(settlements: Settlement[]): Promise<SettleResult[]>;
  /** Gives a hold back without a charge. Unknown or settled ids: no effect. */
  release(id: string): Promise<void>;
  /** Leaves a lease no more than so many parts; 0 ends it. Unknown ids, or holds: no effect. */
  shrink(id: string, parts: number): Promise<void>;
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
