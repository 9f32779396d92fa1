/**
 * Holds every claim of one shard of the first option that fits, or changes nothing.
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
 * ARGV[4] record written at expiry of the first option, JSON; "": this shard writes none; "1": this
 *         shard tells that the lease has ended
 * ARGV[5] its position; of a lease, how many parts it has
 * ARGV[6] its request id; "": none
 * ARGV[7] other shards that hold claims of this id, as text of the caller's; "": none
 * ARGV[8] number of the first option
 * ARGV[9] how many claims each option has, e.g. "3 2"
 * ARGV[10…] claims of all options, in the order of their keys (prelude); reserve is that of a part;
 *         after them, where they differ, the record of each option after the first
 *
 * Reply: {0 denied | 1 held | 2 id known, nothing changed | -1 calendar does not reach, now,
 *         the option held now or before, each counter (told), in the order of claims: for 1 of
 *         the claims held, else of all}
 */
import { prelude } from "./prelude.ts";

export const reserveLua = `${prelude}
local now = clock(ARGV[1])

-- The option that this id was held with; nil where it is not known.
local function known_option()
  local found = redis.call('MGET', KEYS[1], KEYS[2])
  local packed = found[1] or found[2]
  if not packed then return nil end
  if packed == 's' then return 0 end
  return tonumber(string.match(cmsgpack.unpack(packed)[5], ';(%d+)$') or 0)
end

local function hold(claims, states, option)
  local expiry = int(now + tonumber(ARGV[3]))
  local shards = option > 0 and ARGV[7] .. ';' .. option or ARGV[7]
  local further = option - tonumber(ARGV[8])
  -- The first claim is ARGV[10] and KEYS[6].
  local record = further > 0 and ARGV[#KEYS + 4 + further] or ARGV[4]
  local packed = {expiry, record, ARGV[5], ARGV[6], shards}
  for i, claim in ipairs(claims) do
    local state = states[i]
    state.h = add(state.h, claim.reserve)
    write(state, claim.id, KEYS[4], KEYS[5], now)
    packed[#packed + 1] = {
      claim.id, claim.unit, claim.limit_text, int(state.s), claim.reserve_text, claim.on_expiry,
    }
  end
  redis.call('SET', KEYS[1], cmsgpack.pack(packed))
  redis.call('ZADD', KEYS[3], expiry, ARGV[2])
end

local known, parts = known_option(), tonumber(ARGV[5]) or 1
local reply = {known and 2 or 0, now, known or 0}
local option, at = tonumber(ARGV[8]), 1
-- Keys are P, "c:" and the counter's id; KEYS[1] is P, "h:" and the id.
local before = #KEYS[1] - #ARGV[2]
for count in string.gmatch(ARGV[9], '%d+') do
  local claims, states, fit = {}, {}, not known
  for i = 1, tonumber(count) do
    local claim = read_claim(KEYS[5 + at], ARGV[9 + at], before)
    claim.reserve = claim.reserve * parts
    local state = counter_at(claim, now)
    if not state then return {-1, now} end
    claims[i], states[i] = claim, state
    if claim.enforced and not fits(state, claim, now) then fit = false end
    at = at + 1
  end
  if fit then
    reply = {1, now, option}
    if ARGV[3] ~= '0' then hold(claims, states, option) end
  end
  for _, state in ipairs(states) do reply[#reply + 1] = told(state) end
  if fit then break end
  option = option + 1
end
return reply
`;
