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
 * A claim is 11 arguments:
 *   +0 counter id   +1 unit, index into amounts (1 to 5)   +2 limit   +3 reserve   +4 onExpiry
 *   +5 "1": enforced   +6 window: f fixed, s sliding, c calendar
 *   +7 … +10 fixed and sliding: length, 0, 0, 0; calendar: starts of the last, this and the next
 *      period and the end of the next, by the caller's clock; the script chooses by its own
 *
 * A hold is packed as {expiry, record, position, request id, parts, claims…}, a claim in it as
 * {counter id, unit, limit, start, reserve, onExpiry}. An expired hold stays, as the value of
 * its ended key, in the same form with "expired" in place of the expiry.
 */
export const prelude = `
local MAX = 9007199254740991
local STRIDE = 11

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
  local v = redis.call('HMGET', key, 's', 'e', 'u', 'h', 'l', 'p', 'q')
  if not v[1] then return nil end
  return {
    key = key, s = tonumber(v[1]), e = tonumber(v[2]), u = tonumber(v[3]), h = tonumber(v[4]),
    l = tonumber(v[5]), p = tonumber(v[6] or '0'), q = tonumber(v[7] or '0'),
  }
end

-- The counter of the claim at ARGV[at], rolled on to now; nil where the caller's calendar does
-- not reach to now (counterAt in counter.ts).
local function counter_at(key, at, now)
  local stored = read(key)
  local kind, a = ARGV[at + 6], tonumber(ARGV[at + 7])
  if stored and now < stored.e then
    stored.limit = tonumber(ARGV[at + 2])
    return stored
  end
  local s, e
  if kind == 'f' then
    s, e = now, now + a
  elseif kind == 's' then
    s = now - math.fmod(now, a)
    e = s + a
  else
    for field = 7, 9 do
      local from, to = tonumber(ARGV[at + field]), tonumber(ARGV[at + field + 1])
      if from <= now and now < to then s, e = from, to end
    end
    if not s then return nil end
  end
  local slides = kind == 's' and stored and stored.e == s
  return {
    key = key, fresh = true, limit = tonumber(ARGV[at + 2]), s = s, e = e, u = 0, h = 0,
    p = slides and stored.u or 0, q = slides and stored.h or 0,
  }
end

-- used + held as they count now.
local function taken(state, kind, length, now)
  if kind ~= 's' then return add(state.u, state.h) end
  local left = state.e - now
  local used = add(state.u, share(state.p, left, length))
  return add(used, add(state.h, share(state.q, left, length)))
end

-- Adds to used and held in the window that began at start; false where that is out of view.
local function adjust(state, id, start, used, held)
  if start == state.s then
    state.u, state.h = add(state.u, used), add(state.h, held)
    return true
  end
  local length = sliding_length(id)
  if length and start == state.s - length then
    state.p, state.q = add(state.p, used), add(state.q, held)
    return true
  end
  return false
end

-- Writes a counter; names and overs are the keys n and o.
local function write(state, id, names, overs, now)
  local length = sliding_length(id)
  local used, held = int(state.u), int(state.h)
  if length then redis.call('HSET', state.key, 'p', int(state.p), 'q', int(state.q)) end
  if not state.fresh then
    redis.call('HSET', state.key, 'u', used, 'h', held)
    if state.limit and state.limit ~= state.l then
      redis.call('HSET', state.key, 'l', int(state.limit))
    end
    return
  end
  redis.call('HSET', state.key, 's', int(state.s), 'e', int(state.e), 'u', used, 'h', held,
    'l', int(state.limit))
  local over = state.e + (length or 0)
  -- A minute more, for clocks that differ after a fail-over.
  redis.call('PEXPIRE', state.key, int(math.max(over - now, 0) + 60000))
  redis.call('ZADD', names, 0, id)
  redis.call('ZADD', overs, int(over), id)
end

local FIELDS = {'s', 'e', 'u', 'h', 'p', 'q'}

-- Appends six numbers to a reply, large ones as text: ioredis reads integers near 2^53 wrong. A
-- counter that is not there is six times -1.
local function tell(reply, state)
  for i = 1, 6 do
    local value = state and state[FIELDS[i]] or -1
    reply[#reply + 1] = value < 1e15 and value or int(value)
  end
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
