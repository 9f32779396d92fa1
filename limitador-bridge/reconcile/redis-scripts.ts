/** The small scripts of recovery and comparison, and the keys that only they use. */
import { dumpCountersLua } from "../ledger/store/redis/lua/transfer.ts";
import { script } from "../ledger/store/redis/script.ts";
import { restoreLua } from "./restore-lua.ts";

/**
 *   P b:<replica>   string   the newest beat of a replica (see Recovery), in every shard
 *   P k             zset     replicas by the time when they told their sums; in the first shard
 *   P k:<replica>   hash     what the replica charged: `<start>\n<counter id>` → amount
 */
export const beatKey = (prefix: string, replica: string) => `${prefix}b:${replica}`;
export const replicasKey = (prefix: string) => `${prefix}k`;
export const sumsKey = (prefix: string, replica: string) => `${prefix}k:${replica}`;

/** KEYS[1] beat; ARGV[1] beat, ARGV[2] kept so long, ms. */
const beatLua = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1}
`;

/**
 * KEYS[1] sums of the replica, KEYS[2] replicas
 * ARGV[1] replica, ARGV[2] kept so long, ms, ARGV[3…] fields and sums; "0": the field goes
 */
const publishLua = `
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '0' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], redis.call('TIME')[1], ARGV[1])
return {1}
`;

/** KEYS[1] replicas. Reply: their names */
const replicasLua = `
return redis.call('ZRANGE', KEYS[1], 0, -1)
`;

/** KEYS[1] sums; ARGV[1] cursor. Reply: {next cursor, field, sum, …} */
const sumsLua = `
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 1000)
local reply = {page[1]}
for _, text in ipairs(page[2]) do reply[#reply + 1] = text end
return reply
`;

/** KEYS[1] ended. Reply: {} or what is left of the hold (prelude.ts), claims flattened */
const endedLua = `
local ended = redis.call('GET', KEYS[1])
if not ended or ended == 's' then return {} end
local hold = cmsgpack.unpack(ended)
local reply = {hold[1], hold[2], hold[3], hold[4], hold[5]}
for i = 6, #hold do
  for field = 1, 6 do reply[#reply + 1] = hold[i][field] end
end
return reply
`;

export const reconcileScripts = {
  restore: script("restore", restoreLua),
  beat: script("beat", beatLua),
  publish: script("publish", publishLua),
  replicas: script("replicas", replicasLua),
  sums: script("sums", sumsLua),
  ended: script("ended", endedLua),
  counters: script("dump-counters", dumpCountersLua),
} as const;
