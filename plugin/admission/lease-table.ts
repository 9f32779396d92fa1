import { SettlementQueue } from "../settlement/queue";
import { Lease } from "./lease";
import { RequestFacts } from "./request-facts";

const BUCKETS = 256;
const MOST_LEASES = 1000;

/** The leases of one root, found by the bytes of their key. One that ends is given back. */
export class LeaseTable {
  private buckets: StaticArray<Lease | null> = new StaticArray<Lease | null>(BUCKETS);
  private count: i32 = 0;

  constructor(private queue: SettlementQueue) {}

  /** The lease that the request goes under, one of its parts taken; null: it has to ask. */
  admit(facts: RequestFacts, nowMs: i64): Lease | null {
    if (this.count == 0) return null;
    const lease = this.find(facts.hashOfKey(), facts);
    if (lease === null) return null;
    if (lease.expiresMs <= nowMs) {
      this.end(lease);
      return null;
    }
    if (!lease.take(facts)) return null;
    if (lease.isShort) lease.renew(facts);
    if (lease.parts == 0) this.end(lease);
    return lease;
  }

  /** Takes a lease; one with the same key ends. */
  put(lease: Lease): void {
    const known = this.find(lease.hash, lease.facts);
    if (known !== null) this.end(known);
    if (this.count == MOST_LEASES) {
      this.queue.giveBack(lease);
      return;
    }
    const bucket = <i32>(lease.hash & (BUCKETS - 1));
    lease.next = this.buckets[bucket];
    this.buckets[bucket] = lease;
    this.count++;
  }

  /** Ends the leases that expired before `nowMs`. */
  sweep(nowMs: i64): void {
    if (this.count == 0) return;
    for (let i = 0; i < BUCKETS; i++) {
      let lease = this.buckets[i];
      while (lease !== null) {
        const next = lease.next;
        if (lease.expiresMs <= nowMs) this.end(lease);
        lease = next;
      }
    }
  }

  private find(hash: u64, facts: RequestFacts): Lease | null {
    let lease = this.buckets[<i32>(hash & (BUCKETS - 1))];
    while (lease !== null) {
      if (lease.hash == hash && lease.facts.isSameKey(facts)) return lease;
      lease = lease.next;
    }
    return null;
  }

  private end(lease: Lease): void {
    const bucket = <i32>(lease.hash & (BUCKETS - 1));
    let before: Lease | null = null;
    let at = this.buckets[bucket];
    while (at !== null && at !== lease) {
      before = at;
      at = at.next;
    }
    if (before === null) this.buckets[bucket] = lease.next;
    else before.next = lease.next;
    lease.next = null;
    this.count--;
    if (lease.parts > 0) this.queue.giveBack(lease);
  }
}
