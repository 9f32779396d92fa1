/**
 * What all scripts share; the arithmetic is that of ledger/counter.ts and ledger/window.ts, and
 * the store suite holds for both.
 *
 * Numbers are Lua's doubles, exact to 2^53, and are written with %.0f. Packed values hold strings
 * only, since cmsgpack and cjson would not keep every integer.
 *
 * Redis Cluster moves a slot key by key. It looks at KEYS before it runs a script, but a script
 * that meets another key which has gone already fails there, and what it wrote before stays
 * written. Every script therefore reads each key that is not in KEYS before it writes anything.
 *
 * A claim is its counter, one of KEYS, and one argument, for few arguments are what keeps the
 * caller fast: "<unit> <limit> <reserve> <onExpiry> <enforced> <window> <span>" and, where one of
 * them is given, " <allowance> <below, - for none> <from> <percent that is carried over>".
 *   unit 1 to 5, index into amounts   enforced 0 or 1   window f fixed, s sliding, c calendar
 *   span of fixed and sliding: length; of calendar, with commas: starts of the last, this, the
 *   next period and the one after, and its end, by the caller's clock; the script chooses
 *
 * A hold is packed as {expiry, record, position, request id, shards, claims…}, a claim in it as
 * {counter id, unit, limit, start, reserve, onExpiry}. Shards are the other ones with claims of
 * this id, as text of the caller's, and after a ";" the option that is held, where not 0. A hold
 * that is over stays, as the value of its ended key, in the same form: with "expired" in place of
 * the expiry, or with "provisional", and what was charged as onExpiry and "1" as the record.
 *
 * A lease is a hold with the number of parts that are left as the position, which is never a
 * number of other holds; its claims have what one part reserves. It has "1" as the record in its
 * home shard, and none in others. A lease that is over is forgotten.
 */
export const prelude = `
local MAX = 9007199254740991

local function int(n) return string.format('%.0f', n) end

local function add(a, b)
  local sum = a + b
  if sum < 0 then return 0 end
  if sum > MAX then return MAX end
  return sum
end

-- Server time in ms; tests give their own.
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- amount * left / length, rounded up (slidingShare in window.ts).
local function share(amount, left, length)
  if left > length then left = length end
  if length > 94906265 then
    length = math.floor(length / 1000)
    left = math.min(length, math.ceil(left / 1000))
  end
  local rest = math.fmod(amount, length)
  local product = rest * left
  local over = math.fmod(product, length)
  local rest_share = (product - over) / length
  if over > 0 then rest_share = rest_share + 1 end
  return (amount - rest) / length * left + rest_share
end

local function sliding_length(id)
  return tonumber(string.match(id, '\\n%l+ sliding:(%d+)$'))
end

-- The stored counter, or nil.
local function read(key)
  local v = redis.call('HMGET', key, 's', 'e', 'u', 'h', 'l', 'p', 'q', 'c')
  if not v[1] then return nil end
  local state = {
    key = key, s = tonumber(v[1]), e = tonumber(v[2]), u = tonumber(v[3]), h = tonumber(v[4]),
    l = tonumber(v[5]), p = tonumber(v[6] or '0'), q = tonumber(v[7] or '0'), b = 0, m = 0, k = 0,
  }
  if v[8] then
    local b, m, k, o = string.match(v[8], '^(%d+) (%d+) (%d+) (%d+)$')
    state.b, state.m, state.k, state.o = tonumber(b), tonumber(m), tonumber(k), tonumber(o)
  end
  return state
end

-- The claim on a counter; before is how long the part of the key before the counter's id is.
local function read_claim(key, text, before)
  local unit, limit, reserve, on_expiry, enforced, kind, span, more =
    string.match(text, '^(%d) (%d+) (%d+) (%d+) (%d) (%a) (%S+) ?(.*)$')
  local claim = {
    key = key, id = string.sub(key, before + 1), unit = unit, limit_text = limit,
    reserve_text = reserve, on_expiry = on_expiry, limit = tonumber(limit),
    reserve = tonumber(reserve), enforced = enforced == '1', kind = kind, span = span,
    allowance = 0, below = math.huge, from = 0, percent = 0,
  }
  if kind ~= 'c' then claim.length = tonumber(span) end
  if more ~= '' then
    local allowance, below, from, percent = string.match(more, '^(%d+) (%S+) (%d+) (%d+)$')
    claim.allowance, claim.below = tonumber(allowance), tonumber(below) or math.huge
    claim.from, claim.percent = tonumber(from), tonumber(percent)
  end
  return claim
end

-- Start, end and end of the next one of the calendar period in which now is; nil where the
-- caller's calendar does not reach to now.
local function period(bounds, now)
  local t = {}
  for text in string.gmatch(bounds, '%d+') do t[#t + 1] = tonumber(text) end
  for i = 1, 3 do
    if t[i] <= now and now < t[i + 1] then return t[i], t[i + 1], t[i + 2] end
  end
end

-- The counter of a claim, rolled on to now; nil where the caller's calendar does not reach to now
-- (counterAt in counter.ts).
local function counter_at(claim, now)
  local stored, limit, percent = read(claim.key), claim.limit, claim.percent
  if stored and now < stored.e and stored.k == percent then
    stored.limit = limit
    return stored
  end
  local kind, s, e, o = claim.kind, now, nil, nil
  if kind == 'c' then
    s, e, o = period(claim.span, now)
    if not s then return nil end
  else
    if kind == 's' then s = now - math.fmod(now, claim.length) end
    e = s + claim.length
  end
  local state = {
    key = claim.key, fresh = true, stale = stored, limit = limit, s = s, e = e, u = 0, h = 0, p = 0,
    q = 0, b = 0, m = 0, k = percent, o = o,
  }
  if not stored then return state end
  local carries = percent > 0 and stored.k > 0
  if now < stored.e then
    for _, field in ipairs({'u', 'h', 'p', 'q', 'b', 'm'}) do state[field] = stored[field] end
  elseif stored.e == s and (kind == 's' or carries) then
    state.p, state.q = stored.u, stored.h
    if carries then state.b, state.m = stored.s, stored.l end
  end
  return state
end

-- The limit with what the last period has left (limitOf in counter.ts).
local function limit_of(state)
  local unused = state.m - add(state.p, state.q)
  if state.k == 0 or unused <= 0 then return state.limit end
  local rest = math.fmod(unused, 100)
  local carried = (unused - rest) / 100 * state.k + math.floor(rest * state.k / 100)
  return add(state.limit, carried)
end

-- used + held as they count now.
local function taken(state, claim, now)
  if claim.kind ~= 's' then return add(state.u, state.h) end
  local left, length = state.e - now, claim.length
  local used = add(state.u, share(state.p, left, length))
  return add(used, add(state.h, share(state.q, left, length)))
end

-- True where a claim fits (fits in counter.ts).
local function fits(state, claim, now)
  local count, reserve = taken(state, claim, now), claim.reserve
  local room = limit_of(state) - count
  return room > 0 and reserve - claim.allowance <= room and count >= claim.from
    and reserve < claim.below - count
end

-- Adds to used and held in the window that began at start; false where that is out of view.
local function adjust(state, id, start, used, held)
  -- A fixed window that was lost and rebuilt begins before what was held in the meantime.
  local rebuilt = state.s < start and start < state.e and string.find(id, ' fixed:%d+$')
  if start == state.s or rebuilt then
    state.u, state.h = add(state.u, used), add(state.h, held)
    return true
  end
  local length = sliding_length(id)
  local before = length and state.s - length or state.b
  if before > 0 and start == before then
    state.p, state.q = add(state.p, used), add(state.q, held)
    return true
  end
  return false
end

-- When the counter cannot matter any more (isOver in counter.ts).
local function over_of(state, length)
  if state.k > 0 then return state.o end
  return state.e + (length or 0)
end

-- Writes a counter; names and overs are the keys n and o.
local function write(state, id, names, overs, now)
  local length = sliding_length(id)
  local used, held = int(state.u), int(state.h)
  if state.stale then redis.call('DEL', state.key) end
  if length or state.b > 0 then
    redis.call('HSET', state.key, 'p', int(state.p), 'q', int(state.q))
  end
  if not state.fresh then
    redis.call('HSET', state.key, 'u', used, 'h', held)
    if state.limit and state.limit ~= state.l then
      redis.call('HSET', state.key, 'l', int(state.limit))
    end
    return
  end
  redis.call('HSET', state.key, 's', int(state.s), 'e', int(state.e), 'u', used, 'h', held,
    'l', int(state.limit))
  if state.k > 0 or state.b > 0 then
    local carry = string.format('%.0f %.0f %.0f %.0f', state.b, state.m, state.k, state.o)
    redis.call('HSET', state.key, 'c', carry)
  end
  local over = over_of(state, length)
  -- A minute more, for clocks that differ after a fail-over.
  redis.call('PEXPIRE', state.key, int(math.max(over - now, 0) + 60000))
  redis.call('ZADD', names, 0, id)
  redis.call('ZADD', overs, int(over), id)
end

-- A counter as "s e u h p q", and " b m k l" where something may be carried over; "" where there
-- is none. Text, since ioredis reads integers near 2^53 wrong.
local function told(state)
  if not state then return '' end
  local text = string.format('%.0f %.0f %.0f %.0f %.0f %.0f',
    state.s, state.e, state.u, state.h, state.p, state.q)
  if state.k == 0 and state.b == 0 then return text end
  local limit = state.l or state.limit
  return text .. string.format(' %.0f %.0f %.0f %.0f', state.b, state.m, state.k, limit)
end

-- The counters of a hold's claims; false where a counter is gone.
local function read_held(hold, prefix)
  local states = {}
  for i = 6, #hold do states[i] = read(prefix .. 'c:' .. hold[i][1]) or false end
  return states
end

-- Adds used and held, as amount_of says, to these counters.
local function adjust_held(hold, states, names, overs, now, amount_of)
  for i = 6, #hold do
    local claim, state = hold[i], states[i]
    if state then
      local used, held = amount_of(claim)
      if adjust(state, claim[1], tonumber(claim[4]), used, held) then
        write(state, claim[1], names, overs, now)
      end
    end
  end
end

-- How many parts of a lease are left; nil where the hold is no lease.
local function parts_of(hold) return tonumber(hold[3]) end

-- Takes the reserve of so many parts off what these counters hold.
local function give_back(hold, states, parts, names, overs, now)
  adjust_held(hold, states, names, overs, now, function(claim)
    return 0, -tonumber(claim[5]) * parts
  end)
end

-- Keeps a lease with so many parts; one with none is no more.
local function keep_lease(key, expiries, id, lease, parts)
  if parts > 0 then
    lease[3] = int(parts)
    redis.call('SET', key, cmsgpack.pack(lease))
  else
    redis.call('DEL', key)
    redis.call('ZREM', expiries, id)
  end
end

local function write_record(prefix, position, request_id, json, retention)
  redis.call('SET', prefix .. 'r:' .. position, json, 'PX', retention)
  redis.call('ZADD', prefix .. 'r', 0, position)
  if request_id ~= '' then
    redis.call('ZADD', prefix .. 'q:' .. request_id, 0, position)
    redis.call('PEXPIRE', prefix .. 'q:' .. request_id, retention)
  end
end

-- Reads the keys of a record, so that a write to them cannot fail half way.
local function touch_record(prefix, position, request_id)
  redis.call('EXISTS', prefix .. 'r:' .. position, prefix .. 'r')
  if request_id ~= '' then redis.call('EXISTS', prefix .. 'q:' .. request_id) end
end

local function remove_record(prefix, position, request_id)
  redis.call('DEL', prefix .. 'r:' .. position)
  redis.call('ZREM', prefix .. 'r', position)
  if request_id ~= '' then redis.call('ZREM', prefix .. 'q:' .. request_id, position) end
end
`;
