/**
 * Charges again, in one shard, what it has lost; once for each id.
 *
 * KEYS[1] hold            h:<id>
 * KEYS[2] ended           e:<id>
 * KEYS[3] expiries        x
 * KEYS[4] names           n
 * KEYS[5] overs           o
 * KEYS[6] records         r
 * KEYS[7] record          r:<position>   (r where this shard keeps no record)
 * KEYS[8] request index   q:<request id> (r where there is none)
 * KEYS[9…] one counter for each charge   c:<counter id>
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
 * ARGV[14] settled | provisional | expired, or correction: no id is looked for or remembered
 * ARGV[15] other shards that are charged, as text
 * ARGV[16…] charges, 8 arguments each:
 *   +0 counter id   +1 unit, index into amounts   +2 limit   +3 start of the window   +4 its end
 *   +5 when it counts no more   +6 amount   +7 percent that is carried over
 *
 * Reply: {1 charged | 0 known, nothing changed}
 */
import { prelude } from "../ledger/store/redis/lua/prelude.ts";

export const restoreLua = `${prelude}
local FIRST, WIDTH = 16, 8
local now = clock(ARGV[1])
local id, prefix, kind = ARGV[2], ARGV[3], ARGV[14]
local found = redis.call('MGET', KEYS[1], KEYS[2])
local held, ended = found[1], found[2]
local keeps_record = ARGV[9] ~= ''

if kind ~= 'correction' then
  if ended == 's' then return {0} end
  if kind == 'expired' and (held or ended) then return {0} end
  -- Ids are forgotten after a day, records are not.
  if keeps_record and not held and not ended and redis.call('EXISTS', KEYS[7]) > 0 then
    return {0}
  end
end

local hold = held and cmsgpack.unpack(held) or ended and cmsgpack.unpack(ended)
if hold and not held and kind == 'provisional' and hold[1] == 'provisional' then return {0} end

-- The counter, with the window of the charge at ARGV[at] in view where it still counts.
local function counter_of(key, at)
  local id, limit = ARGV[at], tonumber(ARGV[at + 2])
  local s, e, over = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local percent = tonumber(ARGV[at + 7])
  local stored = read(key)
  if over <= now then return nil end
  if not stored or stored.e <= s then
    local state = {
      key = key, fresh = true, stale = stored, limit = limit, s = s, e = e, u = 0, h = 0, p = 0,
      q = 0, b = 0, m = 0, k = percent, o = over,
    }
    local carries = stored and percent > 0 and stored.k > 0
    if stored and stored.e == s and (sliding_length(id) or carries) then
      state.p, state.q = stored.u, stored.h
      if carries then state.b, state.m = stored.s, stored.l end
    end
    return state
  end
  stored.limit = stored.l
  if s < stored.s and stored.s < e and string.find(id, ' fixed:%d+$') then
    -- The window began anew when it was lost: it is the one that was lost.
    stored.s, stored.e, stored.fresh = s, e, true
  elseif stored.k > 0 and stored.b == 0 and e == stored.s then
    stored.b, stored.m, stored.fresh = s, limit, true
  end
  return stored
end

local charged = {
  kind, keeps_record and '1' or '', ARGV[10], ARGV[11], hold and hold[5] or ARGV[15],
}
if hold then
  local states = read_held(hold, prefix)
  if not held then touch_record(prefix, hold[3], hold[4]) end
  local parts = held and parts_of(hold) or 1
  adjust_held(hold, states, KEYS[4], KEYS[5], now, function(claim)
    local amount = tonumber(ARGV[3 + tonumber(claim[2])])
    if not held then return amount - tonumber(claim[6]), 0 end
    return amount, -tonumber(claim[5]) * parts
  end)
  if not held and hold[2] ~= '' then remove_record(prefix, hold[3], hold[4]) end
  for i = 6, #hold do
    hold[i][6] = ARGV[3 + tonumber(hold[i][2])]
    charged[i] = hold[i]
  end
else
  local states = {}
  for i = 9, #KEYS do states[i] = counter_of(KEYS[i], FIRST + (i - 9) * WIDTH) or false end
  for i = 9, #KEYS do
    local at, state = FIRST + (i - 9) * WIDTH, states[i]
    local counter, amount = ARGV[at], ARGV[at + 6]
    if state and adjust(state, counter, tonumber(ARGV[at + 3]), tonumber(amount), 0) then
      write(state, counter, KEYS[4], KEYS[5], now)
    end
    charged[#charged + 1] = {counter, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], '0', amount}
  end
end
if kind == 'correction' then return {1} end

local mark = kind == 'settled' and 's' or cmsgpack.pack(charged)
redis.call('SET', KEYS[2], mark, 'PX', ARGV[13])
if held then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], id)
end
if keeps_record then write_record(prefix, ARGV[10], ARGV[11], ARGV[9], ARGV[12]) end
return {1}
`;
