/**
 * A durable copy of what this process has charged, on its own disk: with it a Redis that has lost
 * data is rebuilt. One JSON line for each entry, in one file for each day (UTC), which others may
 * read while it is written. A batch is on disk (fdatasync) when append resolves; what comes while
 * one is written goes together in the next.
 *
 *   <folder>/2026-11-21.jsonl   {"at":…,"kind":"settled","id":…,…}
 *   <folder>/replica            the id of this log, for ever
 */
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { StoreError } from "../ledger/store/store-error.ts";
import { type LogEntry, parseEntry, type Unlogged } from "./log-entry.ts";
import { writeWhole } from "./write-whole.ts";

export interface RecordLogOptions {
  nowMs?: () => number;
  /** Days are kept so long; 40 days where not given. */
  retentionMs?: number;
  /** All files together; the oldest days go first. 8 GiB where not given. */
  maxBytes?: number;
}

interface Waiting {
  entries: Unlogged[];
  resolve: (written: LogEntry[]) => void;
  reject: (error: Error) => void;
}

const DAY_MS = 86_400_000;
const TAIL_BYTES = 1 << 20;
const FILE_NAME = /^\d{4}-\d\d-\d\d\.jsonl$/;

export class RecordLog {
  /** Names this log in the store. */
  readonly replica: string;
  readonly #folder: string;
  readonly #nowMs: () => number;
  readonly #retentionMs: number;
  readonly #maxBytes: number;
  #lastAt: number;
  #file: { name: string; handle: FileHandle } | null = null;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;

  private constructor(
    folder: string,
    options: RecordLogOptions,
    found: { replica: string; lastAt: number },
  ) {
    this.#folder = folder;
    this.replica = found.replica;
    this.#lastAt = found.lastAt;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#retentionMs = options.retentionMs ?? 40 * DAY_MS;
    this.#maxBytes = options.maxBytes ?? 8 * 2 ** 30;
  }

  /**
   * Opens a folder, which is made where it is missing. The caller sees to it that no other process
   * has it open.
   * @throws StoreError unavailable where it cannot be used.
   */
  static async open(folder: string, options: RecordLogOptions = {}): Promise<RecordLog> {
    try {
      await mkdir(folder, { recursive: true });
      const replica = await ownName(folder);
      const newest = (await dayFiles(folder)).at(-1);
      const lastAt = newest === undefined ? 0 : await lastAtOf(join(folder, newest));
      return new RecordLog(folder, options, { replica, lastAt });
    } catch (cause) {
      const why = (cause as Error).message;
      throw new StoreError("unavailable", `record log ${folder} cannot be opened: ${why}`, cause);
    }
  }

  /** The newest entry's `at`; 0 where there is none. Entries up to it are on disk. */
  get lastAt(): number {
    return this.#lastAt;
  }

  /** Resolves with the entries as they were written, when they are on disk. */
  append(entries: Unlogged[]): Promise<LogEntry[]> {
    if (entries.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entries, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      // Later than all before, also where the clock was set back.
      const at = Math.max(this.#nowMs(), this.#lastAt + 1);
      const written = batch.map(({ entries }) =>
        entries.map((entry): LogEntry => ({ at, ...entry })),
      );
      try {
        const text = written.flat().map((entry) => `${JSON.stringify(entry)}\n`);
        await this.#write(at, text.join(""));
        this.#lastAt = at;
        batch.forEach(({ resolve }, index) => {
          resolve(written[index] as LogEntry[]);
        });
      } catch (cause) {
        await this.#closeFile().catch(() => {});
        for (const { reject } of batch) reject(cause as Error);
      }
    }
    this.#writing = null;
  }

  async #write(at: number, text: string): Promise<void> {
    const name = `${new Date(at).toISOString().slice(0, 10)}.jsonl`;
    if (this.#file?.name !== name) {
      await this.#closeFile();
      this.#file = { name, handle: await openForAppend(join(this.#folder, name)) };
    }
    await this.#file.handle.appendFile(text);
    await this.#file.handle.datasync();
  }

  /** Entries after `afterAt`, the oldest first. What is appended meanwhile may be among them. */
  read(afterAt: number): AsyncGenerator<LogEntry> {
    return readRecordLog(this.#folder, afterAt);
  }

  /** Deletes days that are too old or too much. Returns the days that went for their size. */
  async prune(): Promise<string[]> {
    const oldest = new Date(Math.max(0, this.#nowMs() - this.#retentionMs)).toISOString();
    const names = await dayFiles(this.#folder);
    const sizes = await Promise.all(
      names.map(async (name) => (await stat(join(this.#folder, name))).size),
    );
    let bytes = sizes.reduce((total, size) => total + size, 0);
    const dropped: string[] = [];
    for (const [index, name] of names.slice(0, -1).entries()) {
      const isOld = name < oldest.slice(0, 10);
      if (!isOld && bytes <= this.#maxBytes) break;
      await unlink(join(this.#folder, name));
      bytes -= sizes[index] ?? 0;
      if (!isOld) dropped.push(name);
    }
    return dropped;
  }

  /** Resolves when all that was appended is on disk. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.handle.close();
  }
}

/**
 * Reads a log's folder, also while another process writes it: entries after `afterAt`, the oldest
 * first. Lines that are no entries (a write that was cut off) are passed over.
 */
export async function* readRecordLog(folder: string, afterAt: number): AsyncGenerator<LogEntry> {
  const fromDay = new Date(afterAt).toISOString().slice(0, 10);
  for (const name of await dayFiles(folder)) {
    if (name.slice(0, 10) < fromDay) continue;
    for await (const entry of readDay(join(folder, name))) if (entry.at > afterAt) yield entry;
  }
}

async function* readDay(path: string, start = 0): AsyncGenerator<LogEntry> {
  const input = createReadStream(path, { encoding: "utf8", start });
  for await (const line of createInterface({ input })) {
    const entry = parseEntry(line);
    if (entry !== null) yield entry;
  }
}

/** `at` of a file's last entry; looks at its end only, where there is a whole entry. */
async function lastAtOf(path: string): Promise<number> {
  const { size } = await stat(path);
  for (const from of new Set([Math.max(0, size - TAIL_BYTES), 0])) {
    let lastAt = 0;
    for await (const { at } of readDay(path, from)) lastAt = at;
    if (lastAt > 0) return lastAt;
  }
  return 0;
}

async function dayFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => FILE_NAME.test(name)).sort();
}

/** After a line that was cut off, what comes next begins a line of its own. */
async function openForAppend(path: string): Promise<FileHandle> {
  const handle = await open(path, "a+");
  const { size } = await handle.stat();
  if (size === 0) return handle;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  if (buffer[0] !== 0x0a) await handle.appendFile("\n");
  return handle;
}

async function ownName(folder: string): Promise<string> {
  const path = join(folder, "replica");
  const found = await readFile(path, "utf8").catch(() => "");
  if (/^[0-9a-f-]{36}$/.test(found)) return found;
  const name = randomUUID();
  await writeWhole(path, name);
  return name;
}
