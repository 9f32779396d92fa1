/**
 * What is known of an id in its home shard.
 *
 * KEYS[1] hold    h:<id>
 * KEYS[2] ended   e:<id>
 *
 * Reply: {0 unknown | 1 held | 2 to correct: expired, provisional | 3 settled, parts (prelude)}
 */
export const lookupLua = `
local held, ended = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if held then return {1, cmsgpack.unpack(held)[5]} end
if not ended then return {0, ''} end
if ended == 's' then return {3, ''} end
return {2, cmsgpack.unpack(ended)[5]}
`;
