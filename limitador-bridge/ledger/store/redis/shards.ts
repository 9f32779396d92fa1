/**
 * Which shard a counter and an id belong to. On a single node there is one shard. On a cluster
 * there are many, spread evenly over the 16,384 hash slots: shard i has the tag whose slot is the
 * first at or after the beginning of the i-th part. Their number is fixed for the life of the
 * data (key m).
 */
import type { LimitClaim } from "../store.ts";
import { type ShardKeys, shardKeys } from "./keys.ts";

export interface Shard {
  index: number;
  keys: ShardKeys;
}

export const clusterShards = 64;
const slots = 16_384;

export class Shards {
  readonly all: Shard[];

  constructor(prefix: string, count: number) {
    const tags = count === 1 ? ["0"] : spreadTags(count);
    this.all = tags.map((tag, index) => ({ index, keys: shardKeys(prefix, tag) }));
  }

  /** Where the hold's record and the list of its shards are kept. */
  homeOf(id: string): Shard {
    return this.#of(id);
  }

  /** Where a claim is counted: claims with one `shardBy`, or one key, are together. */
  ofClaim(claim: Pick<LimitClaim, "key" | "shardBy">): Shard {
    return this.#of(claim.shardBy ?? claim.key);
  }

  #of(text: string): Shard {
    const { all } = this;
    return all[all.length === 1 ? 0 : crc16(text) % all.length] as Shard;
  }
}

/** For each of `count` equal parts of the slots a tag that falls into it. */
function spreadTags(count: number): string[] {
  const tags: (string | undefined)[] = new Array(count).fill(undefined);
  for (let n = 0, found = 0; found < count; n += 1) {
    const part = Math.floor((crc16(String(n)) % slots) / (slots / count));
    if (tags[part] !== undefined) continue;
    tags[part] = String(n);
    found += 1;
  }
  return tags as string[];
}

/** The hash slot of a key with a hash tag. */
export function slotOf(key: string): number {
  return crc16(key.slice(key.indexOf("{") + 1, key.indexOf("}"))) % slots;
}

/** CRC-16/XMODEM of the UTF-8 text, as the Redis Cluster specification has it. */
export function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text, "utf8")) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
    }
  }
  return crc;
}
