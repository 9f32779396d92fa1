/**
 * Counters of one shard whose id begins with a prefix and whose window is not over, in the order
 * of their ids, a page at a time, so that Redis is not blocked for long.
 *
 * KEYS[1] names   n
 * Counters are named by it; they are of this shard.
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] P, the prefix of this shard's keys
 * ARGV[3] prefix of the counter ids
 * ARGV[4] ids that are looked at, at most
 * ARGV[5] the id after which to begin; "": from the first
 *
 * Reply: {now, the last id that was looked at where there may be more or "",
 *         counter id, limit and told (prelude) of each counter}
 */
import { prelude } from "./prelude.ts";

export const listCountersLua = `${prelude}
local now = clock(ARGV[1])
local most = tonumber(ARGV[4])
local from = '[' .. ARGV[3]
local to = '[' .. ARGV[3] .. string.char(255)
if ARGV[3] == '' then from, to = '-', '+' end
if ARGV[5] ~= '' then from = '(' .. ARGV[5] end
local ids = redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', 0, most)
local reply = {now, #ids == most and ids[most] or ''}
for _, id in ipairs(ids) do
  local state = read(ARGV[2] .. 'c:' .. id)
  if state and now < over_of(state, sliding_length(id)) then
    reply[#reply + 1] = id
    reply[#reply + 1] = int(state.l)
    reply[#reply + 1] = told(state)
  end
end
return reply
`;
