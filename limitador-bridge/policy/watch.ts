/**
 * Watches a policy folder. The system's own notices make it quick; a poll every 500 ms makes it
 * sure, for notices are lost on some file systems and with links that are swapped (ConfigMaps).
 */
import { type FSWatcher, watch } from "node:fs";
import { type LoadedPolicies, type LoadOptions, loadPolicies } from "./load.ts";
import { listPolicyFiles } from "./policy-folder.ts";

export interface WatchOptions {
  dir: string;
  /** What serves now; the first change is found against it. */
  initial: LoadedPolicies;
  load?: Omit<LoadOptions, "previous">;
  /** Called with what serves from now on, also where only the problems changed. */
  onChange: (loaded: LoadedPolicies) => void;
  /** Called where onChange throws. */
  onError: (error: unknown) => void;
  pollMs?: number;
  /** How long the folder must be still before it is read. */
  settleMs?: number;
}

export interface PolicyWatch {
  /** Resolves when nothing runs any more; onChange is not called after. */
  close(): Promise<void>;
}

const POLL_MS = 500;
const SETTLE_MS = 100;
/** A folder that never rests is read all the same. */
const MAX_SETTLE_ROUNDS = 8;

async function fingerprint(dir: string): Promise<string> {
  try {
    const { files, unread } = await listPolicyFiles(dir);
    return [
      ...files.map(({ file, stamp }) => `${file}\0${stamp}`),
      ...unread.map(({ file, message }) => `${file}\0unread: ${message}`),
    ].join("\n");
  } catch (error) {
    return `unreadable: ${(error as Error).message}`;
  }
}

/** Whether a caller can tell them apart: by what serves, or by what is wrong. */
function differ(a: LoadedPolicies, b: LoadedPolicies): boolean {
  if (JSON.stringify(a.problems) !== JSON.stringify(b.problems)) return true;
  const summary = ({ set }: LoadedPolicies) => JSON.stringify([set.version, set.status()]);
  return a.set !== b.set && summary(a) !== summary(b);
}

class FolderWatch implements PolicyWatch {
  readonly #options: WatchOptions;
  readonly #timer: NodeJS.Timeout;
  #notices: FSWatcher | null = null;
  #current: LoadedPolicies;
  /** Empty: not yet looked, so the first look reads the folder. */
  #seen = "";
  #dirty = false;
  #closed = false;
  #running: Promise<void> | null = null;
  #wake: (() => void) | null = null;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#current = options.initial;
    this.#timer = setInterval(() => this.#look(), options.pollMs ?? POLL_MS);
    this.#timer.unref();
    this.#listen();
    this.#look();
  }

  /** Where the system gives no notices the poll is enough. */
  #listen(): void {
    try {
      const notices = watch(this.#options.dir, { recursive: true, persistent: false }, () => {
        this.#dirty = true;
        this.#look();
      });
      notices.on("error", () => this.#deafen());
      this.#notices = notices;
    } catch {
      this.#notices = null;
    }
  }

  #deafen(): void {
    this.#notices?.close();
    this.#notices = null;
  }

  #look(): void {
    if (this.#closed || this.#running !== null) return;
    this.#running = this.#reload()
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#running = null;
        if (this.#dirty) this.#look();
      });
  }

  async #reload(): Promise<void> {
    const noticed = this.#dirty;
    this.#dirty = false;
    const first = await fingerprint(this.#options.dir);
    if (first === this.#seen && !noticed) return;
    const settled = this.#seen === "" ? first : await this.#settle(first);
    if (this.#closed) return;
    const loaded = await loadPolicies(this.#options.dir, {
      ...this.#options.load,
      previous: this.#current,
    });
    if (this.#closed) return;
    this.#seen = settled;
    const changed = differ(loaded, this.#current);
    this.#current = loaded;
    if (changed) this.#options.onChange(loaded);
  }

  async #settle(first: string): Promise<string> {
    let last = first;
    for (let round = 0; round < MAX_SETTLE_ROUNDS && !this.#closed; round++) {
      await this.#pause(this.#options.settleMs ?? SETTLE_MS);
      const next = await fingerprint(this.#options.dir);
      if (next === last) break;
      last = next;
    }
    return last;
  }

  #pause(timeMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#dirty = false;
    clearInterval(this.#timer);
    this.#deafen();
    this.#wake?.();
    await this.#running;
  }
}

/**
 * Begins to watch. A change serves within a second: notices are answered after 100 ms of rest,
 * missed ones are found by the poll.
 */
export function watchPolicies(options: WatchOptions): PolicyWatch {
  return new FolderWatch(options);
}
