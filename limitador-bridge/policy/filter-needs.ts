/** What the filter must send, from what the expressions in force read. Pure. */
import { addReads, noReads, type Reads } from "../cel/references.ts";
import type { PolicySet } from "./policy-set.ts";

/** Needed whatever the policies are: by usage records and by matching itself. */
const BASELINE = ["request.host", "request.method", "request.path"];

/** Without the paths that a shorter one already brings. */
function shortestPaths(paths: readonly string[][]): string[][] {
  const sorted = [...paths].sort((a, b) => a.length - b.length);
  const kept = new Map<string, string[]>();
  for (const path of sorted) {
    const covered = path.some((_, i) => kept.has(JSON.stringify(path.slice(0, i + 1))));
    if (!covered) kept.set(JSON.stringify(path), path);
  }
  return [...kept.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
}

/** The union of all reads and the baseline, sorted, each once. */
export function filterNeeds(allReads: Iterable<Reads>): PolicySet["needs"] {
  const reads = noReads();
  for (const name of BASELINE) reads.properties.set(name, "string");
  for (const some of allReads) addReads(reads, some);
  return {
    headers: reads.headers.has("*") ? ["*"] : [...reads.headers].sort(),
    properties: [...reads.properties.keys()]
      .sort()
      .map((name) => ({ name, type: reads.properties.get(name) ?? "string" })),
    metadata: shortestPaths(reads.metadata),
    bodyPointers: [...reads.bodyPointers].sort(),
  };
}
