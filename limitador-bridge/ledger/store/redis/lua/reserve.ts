/**
 * Holds every claim of one shard, or changes nothing.
 *
 * KEYS[1] hold            h:<id>
 * KEYS[2] ended           e:<id>
 * KEYS[3] expiries        x
 * KEYS[4] names           n
 * KEYS[5] overs           o
 * KEYS[6…] one counter for each claim   c:<counter id>
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] id
 * ARGV[3] holdMs; 0: only ask, change nothing
 * ARGV[4] record written at expiry, JSON; "": this shard writes none
 * ARGV[5] its position
 * ARGV[6] its request id; "": none
 * ARGV[7] other shards that hold claims of this id, as text of the caller's; "": none
 * ARGV[8…] claims, 11 arguments each (prelude)
 *
 * Reply: {0 denied | 1 held | 2 id known, nothing changed | -1 calendar does not reach, now,
 *         six numbers of each counter in the order of claims}
 */
import { prelude } from "./prelude.ts";

export const reserveLua = `${prelude}
local now = clock(ARGV[1])
local id = ARGV[2]
local known = redis.call('EXISTS', KEYS[1], KEYS[2]) > 0

local states, fits = {}, true
for i = 6, #KEYS do
  local at = 8 + (i - 6) * STRIDE
  local state = counter_at(KEYS[i], at, now)
  if not state then return {-1, now} end
  states[i] = state
  if ARGV[at + 5] == '1' then
    local limit, reserve = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local count = taken(state, ARGV[at + 6], tonumber(ARGV[at + 7]), now)
    if reserve > 0 then
      if reserve > limit - count then fits = false end
    elseif count >= limit then
      fits = false
    end
  end
end

local verdict = known and 2 or (fits and 1 or 0)
local reply = {verdict, now}
if verdict == 1 and ARGV[3] ~= '0' then
  local expiry = int(now + tonumber(ARGV[3]))
  local hold = {expiry, ARGV[4], ARGV[5], ARGV[6], ARGV[7]}
  for i = 6, #KEYS do
    local at, state = 8 + (i - 6) * STRIDE, states[i]
    state.h = add(state.h, tonumber(ARGV[at + 3]))
    write(state, ARGV[at], KEYS[4], KEYS[5], now)
    hold[#hold + 1] = {
      ARGV[at], ARGV[at + 1], ARGV[at + 2], int(state.s), ARGV[at + 3], ARGV[at + 4],
    }
  end
  redis.call('SET', KEYS[1], cmsgpack.pack(hold))
  redis.call('ZADD', KEYS[3], expiry, id)
end
for i = 6, #KEYS do tell(reply, states[i]) end
return reply
`;
