/** Writes to the objects what the service says of them. */
import type { Log } from "../admission/ports.ts";
import type { ClusterApi, ClusterError } from "./cluster-api.ts";
import { type ClusterObject, titleOf } from "./cluster-object.ts";
import { BUDGET_KIND, type MirroredKind } from "./kinds.ts";
import type { ObjectCache } from "./object-cache.ts";
import type { BudgetEntry, PolicyEntry } from "./service-answer.ts";
import { type Spending, spendingOf, statusPatch } from "./status-patch.ts";

export interface StatusParts {
  api: Pick<ClusterApi, "patchStatus">;
  cache: ObjectCache;
  log: Log;
  nowMs: () => number;
}

export interface StatusRound {
  /** By file name. */
  entries: ReadonlyMap<string, PolicyEntry>;
  /** Null: not known now. */
  budgets: readonly BudgetEntry[] | null;
  /** The object's file, where the service has had the time to read its newest text; else null. */
  fileOf: (kind: MirroredKind, object: ClusterObject) => string | null;
}

function spendingBy(
  kind: MirroredKind,
  { metadata }: ClusterObject,
  entry: PolicyEntry,
  budgets: StatusRound["budgets"],
): Spending | null {
  if (kind !== BUDGET_KIND || budgets === null || entry.inForce !== true) return null;
  const policy = `${metadata.namespace}/${metadata.name}`;
  return spendingOf(budgets.filter((budget) => budget.policy === policy));
}

/** Writes each status that has changed, one after another. Never rejects. */
export async function writeStatuses(parts: StatusParts, round: StatusRound): Promise<void> {
  const { api, cache, log, nowMs } = parts;
  for (const { kind, object } of cache.all()) {
    if (!kind.ownsStatus || !cache.hasStatus(kind)) continue;
    const entry = round.entries.get(round.fileOf(kind, object) ?? "");
    if (entry === undefined) continue;
    const spending = spendingBy(kind, object, entry, round.budgets);
    const now = `${new Date(nowMs()).toISOString().slice(0, 19)}Z`;
    const patch = statusPatch(object, entry, spending, now);
    if (patch === null) continue;
    try {
      cache.put(kind, await api.patchStatus(kind, object, patch));
    } catch (error) {
      const { message, status } = error as ClusterError;
      // Deleted meanwhile: the watch tells.
      if (status === 404) continue;
      log.warn({ object: titleOf(kind.kind, object), why: message }, "status not written");
      // Each of the others would wait as long for an API server that does not answer.
      if (status === null) return;
    }
  }
}
