/**
 * Keys of the Redis store. All keys of one shard have one hash tag, so that on Redis Cluster one
 * script may touch them; P stands for `<prefix>:{<tag>}:`.
 *
 *   P m               string   version of this layout and number of shards, "1/64"
 *   P c:<counter id>  hash     l limit, s start, e end, u used, h held; for windows whose last
 *                              one matters p used and q held of that; where it is carried over
 *                              also c "<start, limit of the last> <percent> <when it is over>";
 *                              goes with its window
 *   P n               zset     counter ids in their order (all scores 0)
 *   P o               zset     counter ids by the time when they are over
 *   P h:<id>          string   a hold, as lua/prelude.ts packs it
 *   P x               zset     ids of holds by the time when they expire
 *   P e:<id>          string   what became of a hold; goes after 25 hours
 *   P r               zset     positions of records, `<time>!<id>`, in their order (all scores 0)
 *   P r:<position>    string   a usage record, JSON
 *   P q:<request id>  zset     positions of the records of one request (all scores 0)
 *   P w               string   the mark of PrimaryWait, empty; goes after a minute
 *   P b:…, P k…                of reconciliation, see reconcile/redis-scripts.ts
 */
import type { RecordPosition } from "../record-query.ts";

export interface ShardKeys {
  /** P */
  prefix: string;
  meta: string;
  mark: string;
  names: string;
  overs: string;
  expiries: string;
  records: string;
  counter(counterId: string): string;
  hold(id: string): string;
  ended(id: string): string;
  record(position: RecordPosition): string;
  request(requestId: string): string;
}

export function shardKeys(prefix: string, tag: string): ShardKeys {
  const p = `${prefix}:{${tag}}:`;
  return {
    prefix: p,
    meta: `${p}m`,
    mark: `${p}w`,
    names: `${p}n`,
    overs: `${p}o`,
    expiries: `${p}x`,
    records: `${p}r`,
    counter: (counterId) => `${p}c:${counterId}`,
    hold: (id) => `${p}h:${id}`,
    ended: (id) => `${p}e:${id}`,
    record: (position) => `${p}r:${position}`,
    request: (requestId) => `${p}q:${requestId}`,
  };
}
