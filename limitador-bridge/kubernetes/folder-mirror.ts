/** Keeps the folder as the cluster's objects are. */
import type { Log } from "../admission/ports.ts";
import type { ClusterObject } from "./cluster-object.ts";
import type { MirroredKind } from "./kinds.ts";
import { fileNameOf, fileTextOf, planFolder } from "./mirror-file.ts";
import type { ObjectCache } from "./object-cache.ts";
import { applyPlan, readOtherFiles, readOwnFiles } from "./policy-files.ts";
import type { PolicyEntry } from "./service-answer.ts";
import { startable } from "./startable.ts";

export interface FolderMirrorParts {
  folder: string;
  /** The service's whole policy folder, of which `folder` is a part or all. */
  policies: string;
  cache: ObjectCache;
  log: Log;
  nowMs: () => number;
}

interface MirroredFile {
  text: string;
  /** 0: it was there before. */
  writtenAtMs: number;
}

export interface SyncCount {
  files: number;
  written: number;
  removed: number;
}

/** What it knows beside the folder: since when a file is there, and what was accepted last. */
export class FolderMirror {
  readonly #parts: FolderMirrorParts;
  readonly #files = new Map<string, MirroredFile>();
  readonly #lastGood = new Map<string, string>();
  /** Problems that were told. */
  #told: ReadonlySet<string> = new Set();

  constructor(parts: FolderMirrorParts) {
    this.#parts = parts;
  }

  /**
   * Writes and removes what differs.
   * @param isServing false: the service does not run, and finds only what it would start with
   * @throws where a folder cannot be read or written
   */
  async sync(isServing: boolean): Promise<SyncCount> {
    const { folder, cache, log, nowMs } = this.#parts;
    const present = await readOwnFiles(folder);
    const wanted = isServing ? this.#wanted() : await this.#startable();
    const plan = planFolder(present, wanted, cache.listed());
    await applyPlan(folder, plan);
    for (const name of plan.remove) {
      this.#files.delete(name);
      this.#lastGood.delete(name);
    }
    for (const [name, text] of wanted) {
      const writtenAtMs = plan.write.has(name) ? nowMs() : this.#files.get(name)?.writtenAtMs;
      this.#files.set(name, { text, writtenAtMs: writtenAtMs ?? 0 });
    }
    const count = { files: wanted.size, written: plan.write.size, removed: plan.remove.length };
    if (count.written + count.removed > 0) log.info(count, "policy files changed");
    return count;
  }

  /** The file of an object, where it has had its newest text since before a time. */
  settledFile(kind: MirroredKind, object: ClusterObject, sinceMs: number): string | null {
    const name = fileNameOf(kind, object);
    const file = this.#files.get(name);
    if (file === undefined || file.writtenAtMs > sinceMs) return null;
    return file.text === fileTextOf(kind, object) ? name : null;
  }

  /** Remembers what the service accepted, for when it is gone and a newer version is broken. */
  accepted(entries: ReadonlyMap<string, PolicyEntry>, sinceMs: number): void {
    for (const [name, { text, writtenAtMs }] of this.#files) {
      if (writtenAtMs <= sinceMs && entries.get(name)?.accepted) this.#lastGood.set(name, text);
    }
  }

  #wanted(): Map<string, string> {
    const wanted = new Map<string, string>();
    for (const { kind, object } of this.#parts.cache.all()) {
      wanted.set(fileNameOf(kind, object), fileTextOf(kind, object));
    }
    return wanted;
  }

  async #startable(): Promise<Map<string, string>> {
    const { policies, folder, log } = this.#parts;
    const { texts, refused } = startable({
      wanted: this.#wanted(),
      others: await readOtherFiles(policies, folder),
      lastGood: this.#lastGood,
    });
    const problems = new Set(refused.values());
    for (const problem of problems) {
      if (!this.#told.has(problem)) log.warn({ problem }, "kept back until the service runs");
    }
    this.#told = problems;
    return texts;
  }
}
