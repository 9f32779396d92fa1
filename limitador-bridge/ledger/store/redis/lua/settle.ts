/**
 * Replaces a hold of one shard, or the charge of its expiry, by the truth; once for each id.
 *
 * KEYS[1] hold            h:<id>
 * KEYS[2] ended           e:<id>
 * KEYS[3] expiries        x
 * KEYS[4] names           n
 * KEYS[5] overs           o
 * KEYS[6] records         r
 * KEYS[7] record          r:<position>   (r where this shard keeps no record)
 * KEYS[8] request index   q:<request id> (r where there is none)
 * KEYS[9…] one counter for each claim    c:<counter id>
 * Counters of a known hold are named by the hold and not by KEYS; they are of this shard.
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] id
 * ARGV[3] P, the prefix of this shard's keys
 * ARGV[4…8] amounts: total, input, output, requests, usd
 * ARGV[9] usage record, JSON; "": this shard keeps none
 * ARGV[10] its position
 * ARGV[11] its request id; "": none
 * ARGV[12] how long it is kept, ms
 * ARGV[13] how long the id is remembered, ms
 * ARGV[14…] claims, charged where no hold is known, 11 arguments each (prelude)
 *
 * Reply: {0 settled by a hold | 1 charged by claims | 2 settled before, nothing changed |
 *         -1 calendar does not reach, now, counters}; counters are six numbers for each claim for
 *         1 and 2, and counter id, limit and six numbers for each claim of the hold for 0.
 */
import { prelude } from "./prelude.ts";

export const settleLua = `${prelude}
local now = clock(ARGV[1])
local id, prefix = ARGV[2], ARGV[3]
local held, ended = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])

-- The hold, or what is left of it since it expired.
local hold = held and cmsgpack.unpack(held)
if not hold and ended and ended ~= 's' then hold = cmsgpack.unpack(ended) end
local expired = hold and hold[1] == 'expired'

local claimed = {}
if not hold then
  for i = 9, #KEYS do
    local state = counter_at(KEYS[i], 14 + (i - 9) * STRIDE, now)
    if not state then return {-1, now} end
    claimed[i] = state
  end
end
if not hold and ended then
  local reply = {2, now}
  for i = 9, #KEYS do tell(reply, claimed[i]) end
  return reply
end

local reply
if hold then
  local states = read_held(hold, prefix)
  if expired then touch_record(prefix, hold[3], hold[4]) end
  adjust_held(hold, states, KEYS[4], KEYS[5], now, function(claim)
    local amount = tonumber(ARGV[3 + tonumber(claim[2])])
    if expired then return amount - tonumber(claim[6]), 0 end
    return amount, -tonumber(claim[5])
  end)
  if expired and hold[2] ~= '' then remove_record(prefix, hold[3], hold[4]) end
  reply = {0, now}
  for i = 6, #hold do
    reply[#reply + 1] = hold[i][1]
    reply[#reply + 1] = hold[i][3]
    tell(reply, states[i])
  end
else
  reply = {1, now}
  for i = 9, #KEYS do
    local at, state = 14 + (i - 9) * STRIDE, claimed[i]
    state.u = add(state.u, tonumber(ARGV[3 + tonumber(ARGV[at + 1])]))
    write(state, ARGV[at], KEYS[4], KEYS[5], now)
    tell(reply, state)
  end
end

redis.call('SET', KEYS[2], 's', 'PX', ARGV[13])
if held then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], id)
end
if ARGV[9] ~= '' then write_record(prefix, ARGV[10], ARGV[11], ARGV[9], ARGV[12]) end
return reply
`;
