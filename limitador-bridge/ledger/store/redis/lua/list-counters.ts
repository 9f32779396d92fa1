/**
 * Counters of one shard whose id begins with a prefix and whose window is not over, in the order
 * of their ids. Looks at no more than 10,000 ids, so that Redis is not blocked for long.
 *
 * KEYS[1] names   n
 * Counters are named by it; they are of this shard.
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] P, the prefix of this shard's keys
 * ARGV[3] prefix of the counter ids
 * ARGV[4] counters at most
 *
 * Reply: {now, counter id, limit and told (prelude) of each counter}
 */
import { prelude } from "./prelude.ts";

export const listCountersLua = `${prelude}
local now = clock(ARGV[1])
local limit = tonumber(ARGV[4])
local reply, found = {now}, 0
local from = '[' .. ARGV[3]
local to = '[' .. ARGV[3] .. string.char(255)
if ARGV[3] == '' then from, to = '-', '+' end
for offset = 0, 9000, 1000 do
  local ids = redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', offset, 1000)
  for _, id in ipairs(ids) do
    local key = ARGV[2] .. 'c:' .. id
    local state = read(key)
    if state and now < over_of(state, sliding_length(id)) and found < limit then
      found = found + 1
      reply[#reply + 1] = id
      reply[#reply + 1] = int(state.l)
      reply[#reply + 1] = told(state)
    end
  end
  if #ids < 1000 or found >= limit then break end
end
return reply
`;
