/**
 * Keeps a usage record that no limit is charged for.
 *
 * KEYS[1] records         r
 * KEYS[2] record          r:<position>
 * KEYS[3] request index   q:<request id> (r where there is none)
 *
 * ARGV[1] P, the prefix of this shard's keys
 * ARGV[2] position
 * ARGV[3] request id; "": none
 * ARGV[4] the record, JSON
 * ARGV[5] how long it is kept, ms
 *
 * Reply: 1
 */
import { prelude } from "./prelude.ts";

export const appendLua = `${prelude}
write_record(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1
`;
