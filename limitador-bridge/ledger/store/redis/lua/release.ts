/**
 * Gives a hold of one shard back without a charge.
 *
 * KEYS[1] hold       h:<id>
 * KEYS[2] expiries   x
 * KEYS[3] names      n
 * KEYS[4] overs      o
 * Counters are named by the hold and not by KEYS; they are of this shard.
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] id
 * ARGV[3] P, the prefix of this shard's keys
 *
 * Reply: 1 released, 0 no such hold
 */
import { prelude } from "./prelude.ts";

export const releaseLua = `${prelude}
local now = clock(ARGV[1])
local packed = redis.call('GET', KEYS[1])
if not packed then return 0 end
local hold = cmsgpack.unpack(packed)
local states = read_held(hold, ARGV[3])
give_back(hold, states, parts_of(hold) or 1, KEYS[3], KEYS[4], now)
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
`;
