/**
 * Drops counters of one shard whose window is over, and records that are too old.
 *
 * KEYS[1] names      n
 * KEYS[2] overs      o
 * KEYS[3] records    r
 * Counters and records are named by these; they are of this shard.
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] P, the prefix of this shard's keys
 * ARGV[3] how many of each are dropped at most
 * ARGV[4] position before which records go
 *
 * Reply: number of all that was dropped
 */
import { prelude } from "./prelude.ts";

export const pruneLua = `${prelude}
local now = clock(ARGV[1])
local prefix = ARGV[2]
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', int(now), 'LIMIT', 0, ARGV[3])
local old = redis.call('ZRANGEBYLEX', KEYS[3], '-', '(' .. ARGV[4], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(over) do
  redis.call('UNLINK', prefix .. 'c:' .. id)
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
for _, position in ipairs(old) do
  redis.call('UNLINK', prefix .. 'r:' .. position)
  redis.call('ZREM', KEYS[3], position)
end
return #over + #old
`;
