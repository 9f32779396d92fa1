/** The corpus at hand: TOLLGATE_CORPUS, else beside the project; empty where there is none. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Exchange } from "./reference-capture.ts";

const folder = resolve(process.env.TOLLGATE_CORPUS || "../shared/corpus", "cases");

/** All cases, by file name. */
export function recordedCases<T extends Exchange>(): T[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as T);
}
