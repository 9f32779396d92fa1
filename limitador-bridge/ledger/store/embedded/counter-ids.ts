/**
 * Finds counters by how their ids begin: in LevelDB they are in order, while in memory all would
 * have to be looked at, for a hundred milliseconds where there are some 100,000.
 */
import type { ClassicLevel } from "classic-level";
import { counterKey, rangeOfKind } from "./rows.ts";

const readChunk = 500;
const idAt = counterKey("").length;

export interface CounterQuery {
  prefix: string;
  limit: number;
  /** Ids that may have no row yet. */
  unwritten: readonly string[];
  /** Whether an id is one of those that are asked for, prefix aside; what is not takes no place. */
  isLive: (id: string) => boolean;
}

/**
 * At least the first `limit` ids that are live, in their order.
 * @throws what LevelDB throws
 */
export async function counterIds(db: ClassicLevel, query: CounterQuery): Promise<string[]> {
  const { prefix, limit, unwritten, isLive } = query;
  const ids = new Set(unwritten.filter((id) => id.startsWith(prefix)));
  const iterator = db.keys({ gte: counterKey(prefix), lt: rangeOfKind("c").lt });
  try {
    for (let live = 0; live < limit; ) {
      const keys = await iterator.nextv(Math.min(readChunk, limit));
      for (const key of keys) {
        const id = key.slice(idAt);
        if (!id.startsWith(prefix)) return [...ids].sort();
        ids.add(id);
        if (isLive(id)) live += 1;
      }
      if (keys.length === 0) break;
    }
    return [...ids].sort();
  } finally {
    await iterator.close();
  }
}
