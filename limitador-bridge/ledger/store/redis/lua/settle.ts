/**
 * Replaces a hold of one shard, a part of a lease, or the charge of an expiry, by the truth; once
 * for each id.
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
 * The last of KEYS, where ARGV[10] has an "l": the lease   h:<lease id>
 * Counters of a known hold are named by the hold and not by KEYS; they are of this shard.
 *
 * ARGV[1] "" or, in tests, the time in ms
 * ARGV[2] id
 * ARGV[3] P, the prefix of this shard's keys
 * ARGV[4] amounts: total, input, output, requests, usd, with spaces
 * ARGV[5] usage record, JSON; "": this shard keeps none
 * ARGV[6] its position
 * ARGV[7] its request id; "": none
 * ARGV[8] how long it is kept, ms
 * ARGV[9] how long the id is remembered, ms
 * ARGV[10] "p" where it is provisional, and "l" where it has a lease
 * ARGV[11] other shards that are charged, as text of the caller's, where no hold is known
 * ARGV[12…] claims, charged where no hold is known, in the order of their keys (prelude)
 *
 * Reply: {0 settled by a hold or lease | 1 charged by claims | 2 settled before, nothing changed |
 *         -1 calendar does not reach, now, charges, replaced, counters}
 *   charges    text: for each counter, start of the window that is charged, what was charged
 *              before and is replaced, limit and percent that is carried over
 *   replaced   the record, JSON, that this settlement's takes the place of; "": none
 *   counters   told for each claim for 1 and 2; for 0, of each claim of the hold, counter id,
 *              limit and told
 */
import { prelude } from "./prelude.ts";

export const settleLua = `${prelude}
local now = clock(ARGV[1])
local id, prefix = ARGV[2], ARGV[3]
local provisional = string.find(ARGV[10], 'p', 1, true)
local lease_key = string.find(ARGV[10], 'l', 1, true) and KEYS[#KEYS]
-- With no lease the third is the hold once more, and says nothing.
local found = redis.call('MGET', KEYS[1], KEYS[2], lease_key or KEYS[1])
local held, ended, leased = found[1], found[2], nil

-- The hold, or what is left of it since it expired or was settled provisionally, or the lease.
local hold = held and cmsgpack.unpack(held)
if not hold and ended and ended ~= 's' then hold = cmsgpack.unpack(ended) end
if hold and not held and provisional and hold[1] == 'provisional' then hold = nil end
if found[3] and not held and not ended then
  hold = cmsgpack.unpack(found[3])
  leased = parts_of(hold)
  if not leased then hold = nil end
end

local function charge_text(state, start, replaced, limit)
  local percent = state and state.k or 0
  return string.format('%.0f %s %.0f %.0f', start, replaced, limit, percent)
end

local claims, claimed = {}, {}
if not hold then
  for i = 1, #KEYS - (lease_key and 9 or 8) do
    claims[i] = read_claim(KEYS[8 + i], ARGV[11 + i], #prefix + 2)
    claimed[i] = counter_at(claims[i], now)
    if not claimed[i] then return {-1, now} end
  end
end
local reply, charges = {2, now, '', ''}, {}
if not hold and ended then
  for i, state in ipairs(claimed) do
    reply[4 + i] = told(state)
    charges[i] = charge_text(state, state.s, '0', state.limit)
  end
  reply[3] = table.concat(charges, ' ')
  return reply
end

local amounts = {}
for amount in string.gmatch(ARGV[4], '%d+') do amounts[#amounts + 1] = amount end
local function amount_in(unit) return amounts[tonumber(unit)] end

-- What stays of a provisional settlement (prelude).
local charged = {
  'provisional', ARGV[5] ~= '' and '1' or '', ARGV[6], ARGV[7],
  hold and not leased and hold[5] or ARGV[11],
}
if hold then
  reply[1] = 0
  local states = read_held(hold, prefix)
  local corrects = not held and not leased
  if corrects and hold[2] ~= '' then
    touch_record(prefix, hold[3], hold[4])
    reply[4] = redis.call('GET', prefix .. 'r:' .. hold[3]) or ''
  end
  local parts = held and parts_of(hold) or 1
  adjust_held(hold, states, KEYS[4], KEYS[5], now, function(claim)
    local amount = tonumber(amount_in(claim[2]))
    if corrects then return amount - tonumber(claim[6]), 0 end
    return amount, -tonumber(claim[5]) * parts
  end)
  if corrects and hold[2] ~= '' then remove_record(prefix, hold[3], hold[4]) end
  if leased then
    keep_lease(lease_key, KEYS[3], string.sub(lease_key, #prefix + 3), hold, leased - 1)
  end
  for i = 6, #hold do
    local claim = hold[i]
    reply[#reply + 1] = claim[1]
    reply[#reply + 1] = claim[3]
    reply[#reply + 1] = told(states[i])
    charges[i - 5] = charge_text(states[i], claim[4], corrects and claim[6] or '0', claim[3])
    claim[6] = amount_in(claim[2])
    charged[i] = claim
  end
else
  reply[1] = 1
  for i, claim in ipairs(claims) do
    local state, amount = claimed[i], amount_in(claim.unit)
    state.u = add(state.u, tonumber(amount))
    write(state, claim.id, KEYS[4], KEYS[5], now)
    reply[4 + i] = told(state)
    charges[i] = charge_text(state, state.s, '0', state.limit)
    charged[#charged + 1] = {claim.id, claim.unit, claim.limit_text, int(state.s), '0', amount}
  end
end

redis.call('SET', KEYS[2], provisional and cmsgpack.pack(charged) or 's', 'PX', ARGV[9])
if held then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], id)
end
if ARGV[5] ~= '' then write_record(prefix, ARGV[6], ARGV[7], ARGV[5], ARGV[8]) end
reply[3] = table.concat(charges, ' ')
return reply
`;
