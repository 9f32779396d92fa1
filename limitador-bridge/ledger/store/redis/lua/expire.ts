/**
 * Ends holds of one shard that are over, the oldest first: charges onExpiry, writes the record. The
 * parts left of a lease are given back.
 *
 * KEYS[1] expiries   x
 * KEYS[2] names      n
 * KEYS[3] overs      o
 * KEYS[4] records    r
 * Holds, counters and records are named by the expiries and holds; they are of this shard.
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] P, the prefix of this shard's keys
 * ARGV[3] holds ended at most
 * ARGV[4] how long records are kept, ms
 * ARGV[5] how long ids are remembered, ms
 *
 * Reply: {number of holds ended, then id and expiry of each that has its home here}
 */
import { prelude } from "./prelude.ts";

export const expireLua = `${prelude}
local now = clock(ARGV[1])
local prefix = ARGV[2]
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'LIMIT', 0, ARGV[3])
local reply = {#due}
for _, id in ipairs(due) do
  local hold_key, ended_key = prefix .. 'h:' .. id, prefix .. 'e:' .. id
  local packed = redis.call('GET', hold_key)
  if packed then
    redis.call('EXISTS', ended_key)
    local hold = cmsgpack.unpack(packed)
    local states, parts = read_held(hold, prefix), parts_of(hold)
    if not parts then touch_record(prefix, hold[3], hold[4]) end
    redis.call('DEL', hold_key)
    if hold[2] ~= '' then
      reply[#reply + 1] = id
      reply[#reply + 1] = hold[1]
    end
    if parts then
      give_back(hold, states, parts, KEYS[2], KEYS[3], now)
    else
      adjust_held(hold, states, KEYS[2], KEYS[3], now, function(claim)
        return tonumber(claim[6]), -tonumber(claim[5])
      end)
      if hold[2] ~= '' then write_record(prefix, hold[3], hold[4], hold[2], ARGV[4]) end
      hold[1] = 'expired'
      redis.call('SET', ended_key, cmsgpack.pack(hold), 'PX', ARGV[5])
    end
  end
  redis.call('ZREM', KEYS[1], id)
end
return reply
`;
