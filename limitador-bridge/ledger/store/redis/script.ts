/** The Lua scripts, each with the SHA-1 under which Redis knows it. */
import { createHash } from "node:crypto";
import { appendLua } from "./lua/append.ts";
import { expireLua } from "./lua/expire.ts";
import { listCountersLua } from "./lua/list-counters.ts";
import { lookupLua } from "./lua/lookup.ts";
import { pruneLua } from "./lua/prune.ts";
import { releaseLua } from "./lua/release.ts";
import { reserveLua } from "./lua/reserve.ts";
import { settleLua } from "./lua/settle.ts";
import { shrinkLua } from "./lua/shrink.ts";

export interface Script {
  name: string;
  lua: string;
  sha: string;
}

/** A script with its SHA-1. */
export function script(name: string, lua: string): Script {
  return { name, lua, sha: createHash("sha1").update(lua).digest("hex") };
}

export const scripts = {
  reserve: script("reserve", reserveLua),
  settle: script("settle", settleLua),
  release: script("release", releaseLua),
  shrink: script("shrink", shrinkLua),
  expire: script("expire", expireLua),
  prune: script("prune", pruneLua),
  append: script("append", appendLua),
  listCounters: script("list-counters", listCountersLua),
  lookup: script("lookup", lookupLua),
} as const;
