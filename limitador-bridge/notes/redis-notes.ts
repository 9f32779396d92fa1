/**
 * Notes in Redis: one hash `<prefix>:{notes}`, of a note's key the text `<expiresAtMs> <text>`.
 * Notes are few, so that one hash, on one shard of a Cluster, is enough.
 */
import type { Cluster, Redis } from "ioredis";
import { connect } from "../ledger/store/redis/connect.ts";
import { parseRedisUrl } from "../ledger/store/redis/redis-url.ts";
import { byKey, type Note, type Notes } from "./notes.ts";

/** KEYS[1] the hash · ARGV[1] key, [2] expiresAtMs, [3] text · 1: written, 0: there is one */
const ADD = `
local now = redis.call("TIME")
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local known = redis.call("HGET", KEYS[1], ARGV[1])
if known and tonumber(string.match(known, "^%d+")) > ms then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[2] .. " " .. ARGV[3])
return 1`;

/** KEYS[1] the hash · what is not over, as key, value, key, value …; what is over goes */
const LIST = `
local now = redis.call("TIME")
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local all = redis.call("HGETALL", KEYS[1])
local kept = {}
for i = 1, #all, 2 do
  if tonumber(string.match(all[i + 1], "^%d+")) > ms then
    kept[#kept + 1] = all[i]
    kept[#kept + 1] = all[i + 1]
  else
    redis.call("HDEL", KEYS[1], all[i])
  end
end
return kept`;

/** Connects by itself, and again when it is cut off. */
export class RedisNotes implements Notes {
  readonly #client: Redis | Cluster;
  readonly #key: string;

  /**
   * @param timeoutMs longest wait for an answer
   * @param onWarning told what the client reports of its connection
   */
  constructor(url: string, timeoutMs: number, onWarning: (message: string) => void) {
    const parsed = parseRedisUrl(url);
    this.#key = `${parsed.prefix}:{notes}`;
    this.#client = connect(parsed, timeoutMs);
    this.#client.on("error", (error: Error) => onWarning(`redis: ${error.message}`));
  }

  async add({ key, text, expiresAtMs }: Note): Promise<boolean> {
    return (await this.#client.eval(ADD, 1, this.#key, key, expiresAtMs, text)) === 1;
  }

  async list(prefix: string): Promise<Note[]> {
    const flat = (await this.#client.eval(LIST, 1, this.#key)) as string[];
    const notes: Note[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const [key = "", value = ""] = flat.slice(i, i + 2);
      if (!key.startsWith(prefix)) continue;
      const space = value.indexOf(" ");
      const expiresAtMs = Number(value.slice(0, space));
      notes.push({ key, text: value.slice(space + 1), expiresAtMs });
    }
    return notes.sort(byKey);
  }

  async close(): Promise<void> {
    if (this.#client.status === "ready") await this.#client.quit().catch(() => {});
    this.#client.disconnect();
  }
}
