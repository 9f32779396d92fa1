/** Scripts that read and write one shard as it is stored, to copy it. The layout is in keys.ts. */

/**
 * Counters in the order of their ids.
 *
 * KEYS[1] names; ARGV[1] P, ARGV[2] id after which they begin, "": from the first, ARGV[3] how many
 * Reply: {now, id and the fields s e u h l p q c of each}, "" for fields that are not there
 */
export const dumpCountersLua = `
local time = redis.call('TIME')
local reply = {string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(time[2] / 1000))}
local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
for _, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, ARGV[3])) do
  local fields = redis.call('HMGET', ARGV[1] .. 'c:' .. id, 's', 'e', 'u', 'h', 'l', 'p', 'q', 'c')
  reply[#reply + 1] = id
  for i = 1, 8 do reply[#reply + 1] = fields[i] or '' end
end
return reply
`;

/** A hold, or what is left of one, as {id, ms left, its record, five fields, six of each claim}. */
const tellHold = `
local function tell_hold(id, ttl, hold)
  local record = redis.call('GET', ARGV[1] .. 'r:' .. hold[3])
  local told = {id, ttl, record or hold[2], hold[1], hold[2], hold[3], hold[4], hold[5]}
  for i = 6, #hold do
    for field = 1, 6 do told[#told + 1] = hold[i][field] end
  end
  return told
end
`;

/** KEYS[1] expiries; ARGV[1] P, ARGV[2] how many to pass over, ARGV[3] how many. Reply: holds */
export const dumpHoldsLua = `${tellHold}
local reply = {}
local last = ARGV[2] + ARGV[3] - 1
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], ARGV[2], last)) do
  local packed = redis.call('GET', ARGV[1] .. 'h:' .. id)
  if packed then reply[#reply + 1] = tell_hold(id, 0, cmsgpack.unpack(packed)) end
end
return reply
`;

/**
 * KEYS[1] any of the shard; ARGV[1] P, ARGV[2] cursor, ARGV[3] pattern of the ended keys
 * Reply: {next cursor, {id, ms left} of a settled one or what is left of a hold, …}
 */
export const dumpEndedLua = `${tellHold}
local page = redis.call('SCAN', ARGV[2], 'MATCH', ARGV[3], 'COUNT', 1000)
local reply = {page[1]}
for _, key in ipairs(page[2]) do
  local value, ttl = redis.call('GET', key), redis.call('PTTL', key)
  local id = string.sub(key, #ARGV[1] + 3)
  if value == 's' then
    reply[#reply + 1] = {id, ttl}
  elseif value then
    reply[#reply + 1] = tell_hold(id, ttl, cmsgpack.unpack(value))
  end
end
return reply
`;

/**
 * KEYS[1] counter, KEYS[2] names, KEYS[3] overs
 * ARGV[1] id, ARGV[2] when it is over, ARGV[3] ms until it goes, ARGV[4…] fields and values
 */
export const putCounterLua = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
return {1}
`;

/**
 * KEYS[1] hold or ended, KEYS[2] expiries
 * ARGV[1] id, ARGV[2] expiry of a hold, "": none, ARGV[3] ms until it goes, "": never
 * ARGV[4…8] first five fields of a hold (prelude.ts), ARGV[9…] six of each claim
 */
export const putHoldLua = `
local hold = {ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]}
for at = 9, #ARGV, 6 do
  hold[#hold + 1] = {
    ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5],
  }
end
redis.call('SET', KEYS[1], cmsgpack.pack(hold))
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1]) end
return {1}
`;

/** KEYS[1] ended; ARGV[1] ms until it goes. */
export const putSettledLua = `
redis.call('SET', KEYS[1], 's', 'PX', ARGV[1])
return {1}
`;
