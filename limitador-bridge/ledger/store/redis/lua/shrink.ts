/**
 * Leaves a lease of one shard no more than so many parts.
 *
 * KEYS[1] hold       h:<id>
 * KEYS[2] expiries   x
 * KEYS[3] names      n
 * KEYS[4] overs      o
 * Counters are named by the lease and not by KEYS; they are of this shard.
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] id
 * ARGV[3] P, the prefix of this shard's keys
 * ARGV[4] parts that may be left
 *
 * Reply: parts given back; 0 where it has no more, or is no lease
 */
import { prelude } from "./prelude.ts";

export const shrinkLua = `${prelude}
local now, wanted = clock(ARGV[1]), tonumber(ARGV[4])
local packed = redis.call('GET', KEYS[1])
if not packed then return 0 end
local lease = cmsgpack.unpack(packed)
local parts = parts_of(lease)
if not parts or parts <= wanted then return 0 end
local states = read_held(lease, ARGV[3])
give_back(lease, states, parts - wanted, KEYS[3], KEYS[4], now)
keep_lease(KEYS[1], KEYS[2], ARGV[2], lease, wanted)
return parts - wanted
`;
