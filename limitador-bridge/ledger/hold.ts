/** What is held for an exchange, or for the parts of a lease, and what becomes of it. */
import type { UsageRecord } from "../contract/usage-record.ts";
import type { CounterSpec } from "./counter.ts";
import type { LimitClaim } from "./store/store.ts";

/** A claim while it is held, with the window in which it was admitted. */
export interface HeldClaim extends CounterSpec {
  counterId: string;
  startMs: number;
  /** Of a lease, for each of its parts. */
  reserve: number;
  /** What it is charged, or was, where the truth is not known. */
  onExpiry: number;
}

export interface Hold {
  id: string;
  expiresAtMs: number;
  /** Which of the request's options is held. */
  option: number;
  /** How many parts of a lease are left, at least one; null: it is no lease. */
  parts: number | null;
  claims: HeldClaim[];
  /** What is recorded where the truth is not known; null: a lease, which leaves no record. */
  expiryRecord: UsageRecord | null;
}

/**
 * What became of a hold; remembered for endedTtlMs. A hold that expired or was settled
 * provisionally stays, to be corrected: onExpiry is what it was charged. A lease is forgotten.
 */
export type Ended =
  | { state: "settled"; atMs: number }
  | { state: "expired" | "provisional"; atMs: number; hold: Hold };

/** How long ids are remembered after their settlement or expiry: a day and an hour's margin. */
export const endedTtlMs = 25 * 3_600_000;

/** A claim as it is held from a counter's window on. */
export function heldClaim(
  counterId: string,
  { key, unit, limit, window }: CounterSpec,
  startMs: number,
  { reserve, onExpiry }: Pick<LimitClaim, "reserve" | "onExpiry">,
): HeldClaim {
  return { counterId, key, unit, limit, window, startMs, reserve, onExpiry };
}

/** What a hold, with all parts that it has left, holds of one of its claims. */
export function heldBy({ parts }: Hold, { reserve }: HeldClaim): number {
  return reserve * (parts ?? 1);
}
