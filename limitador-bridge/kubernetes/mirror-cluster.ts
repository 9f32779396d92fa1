/** Mirrors a cluster's policies into a folder, and what becomes of them back into the cluster. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../admission/ports.ts";
import { startPeriodicJob } from "../periodic-job.ts";
import type { ClusterApi, ListedObjects } from "./cluster-api.ts";
import { FolderMirror, type SyncCount } from "./folder-mirror.ts";
import { type FollowTimes, followKind } from "./follow-kind.ts";
import { MIRRORED_KINDS, type MirroredKind } from "./kinds.ts";
import { ObjectCache } from "./object-cache.ts";
import { entriesByFile, type ServiceAnswer, type ServiceState } from "./service-answer.ts";
import { writeStatuses } from "./status-writer.ts";

export interface MirrorTimes extends FollowTimes {
  /** How often the service is asked, and so how often a status may change. */
  statusMs: number;
  /** How long the service may take until a file that was written is in force, or refused. */
  settleMs: number;
}

export const MIRROR_TIMES: MirrorTimes = {
  retryMs: 1_000,
  maxRetryMs: 30_000,
  lookAgainMs: 30_000,
  statusMs: 5_000,
  settleMs: 3_000,
};

const LIST_TRIES = 5;

export interface MirrorParts {
  api: ClusterApi;
  folder: string;
  /** See FolderMirrorParts. */
  policies: string;
  log: Log;
  nowMs: () => number;
}

/** A kind whose CRD has just been installed answers 429 for a moment. */
async function listPatiently(
  { api, log }: MirrorParts,
  kind: MirroredKind,
  retryMs: number,
): Promise<ListedObjects | null> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await api.list(kind);
    } catch (error) {
      if (tries === LIST_TRIES) throw error;
      log.warn({ why: (error as Error).message, retryMs }, "trying again");
      await sleep(retryMs);
    }
  }
}

/**
 * Lists everything once and writes what the service will start with.
 * @throws ClusterError where a list cannot be had, Error where a folder cannot be used
 */
export async function mirrorOnce(
  parts: MirrorParts,
  { retryMs }: Pick<MirrorTimes, "retryMs">,
): Promise<SyncCount> {
  const cache = new ObjectCache();
  for (const kind of MIRRORED_KINDS) {
    const listed = await listPatiently(parts, kind, retryMs);
    const resource = `${kind.plural}.${kind.group}`;
    if (listed === null) parts.log.info({ resource }, "not installed");
    else cache.replace(kind, listed.objects, listed.hasStatus);
  }
  return await new FolderMirror({ ...parts, cache }).sync(false);
}

class ClusterMirror {
  readonly #parts: MirrorParts;
  readonly #times: MirrorTimes;
  readonly #ask: () => Promise<ServiceState>;
  readonly #cache = new ObjectCache();
  readonly #folder: FolderMirror;
  /** Null: nothing is known of the service yet, and the files stay as they are. */
  #isServing: boolean | null = null;
  #trouble = "";
  #syncing: Promise<void> | null = null;
  #isStale = false;

  constructor(parts: MirrorParts, times: MirrorTimes, ask: () => Promise<ServiceState>) {
    this.#parts = parts;
    this.#times = times;
    this.#ask = ask;
    this.#folder = new FolderMirror({ ...parts, cache: this.#cache });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { api, log } = this.#parts;
    const job = startPeriodicJob(() => this.#round(), this.#times.statusMs);
    void job.run();
    const onChange = () => void this.#sync();
    const follow = { api, cache: this.#cache, onChange, log, times: this.#times, signal };
    await Promise.all(MIRRORED_KINDS.map((kind) => followKind(kind, follow)));
    await job.stop();
    await this.#syncing;
  }

  /** Asks the service, brings the folder up to date and writes what the service said. */
  async #round(): Promise<void> {
    const { nowMs } = this.#parts;
    const sinceMs = nowMs() - this.#times.settleMs;
    const state = await this.#ask();
    this.#tell(state);
    if (state === "gone") this.#isServing = false;
    else if (!("failed" in state)) this.#isServing = true;
    await this.#sync();
    if (state !== "gone" && !("failed" in state)) await this.#writeStatuses(state, sinceMs);
  }

  async #writeStatuses({ policies, budgets }: ServiceAnswer, sinceMs: number): Promise<void> {
    const entries = entriesByFile(policies);
    this.#folder.accepted(entries, sinceMs);
    await writeStatuses(
      { ...this.#parts, cache: this.#cache },
      {
        entries,
        budgets: "failed" in budgets ? null : budgets,
        fileOf: (kind, object) => this.#folder.settledFile(kind, object, sinceMs),
      },
    );
  }

  /** Says once what is wrong with the service, and once that it is well again. */
  #tell(state: ServiceState): void {
    const trouble = troubleOf(state);
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    if (trouble === "") this.#parts.log.info({}, "the service answers");
    else this.#parts.log.warn({ why: trouble }, "statuses are not up to date");
  }

  /** Brings the folder up to date, never twice at once. What fails is tried again each round. */
  #sync(): Promise<void> {
    this.#isStale = true;
    this.#syncing ??= this.#syncAll().finally(() => {
      this.#syncing = null;
    });
    return this.#syncing;
  }

  async #syncAll(): Promise<void> {
    while (this.#isStale && this.#isServing !== null) {
      this.#isStale = false;
      try {
        await this.#folder.sync(this.#isServing);
      } catch (error) {
        this.#parts.log.error({ err: error }, "policy files not written");
      }
    }
  }
}

function troubleOf(state: ServiceState): string {
  if (state === "gone") return "the service does not run";
  if ("failed" in state) return state.failed;
  return "failed" in state.budgets ? state.budgets.failed : "";
}

/**
 * Mirrors until the signal.
 * @param ask see askService
 */
export function mirrorCluster(
  parts: MirrorParts & { ask: () => Promise<ServiceState> },
  times: MirrorTimes,
  signal: AbortSignal,
): Promise<void> {
  return new ClusterMirror(parts, times, parts.ask).run(signal);
}
