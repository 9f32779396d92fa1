/**
 * What could not be told to the store, on disk until it can be: one JSON line for each entry, in
 * segments `<number>.jsonl`. An entry is on disk (fdatasync) when append resolves. Segments are
 * replayed whole and then deleted; after a crash one may be replayed twice, which is safe, since
 * every entry counts once by its id.
 *
 * Entries that the store refuses for good go to `refused.jsonl` with the reason; nobody deletes
 * that file but people.
 */
import { createReadStream } from "node:fs";
import { appendFile, type FileHandle, mkdir, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { UsageRecord } from "../../../contract/usage-record.ts";
import type { Settlement } from "../store.ts";
import { StoreError } from "../store-error.ts";
import { lockFolder } from "./folder-lock.ts";

export type JournalEntry =
  | { settle: Settlement }
  | { release: string }
  | { shrink: { id: string; parts: number } }
  | { record: UsageRecord };

export type ReplayLine = { entry: JournalEntry } | { unreadable: string };

interface Waiting {
  text: string;
  resolve: () => void;
  reject: (error: Error) => void;
}

export class Journal {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #unlock: () => Promise<void>;
  #sealed: number[];
  #bytes: number;
  #next: number;
  #current: FileHandle | null = null;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;

  private constructor(
    folder: string,
    maxBytes: number,
    unlock: () => Promise<void>,
    found: { sealed: number[]; bytes: number },
  ) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#unlock = unlock;
    this.#sealed = found.sealed;
    this.#bytes = found.bytes;
    this.#next = (found.sealed.at(-1) ?? 0) + 1;
  }

  /**
   * Opens a folder, which is made where it is missing; what a former process left is replayed.
   * @param maxBytes of all segments together
   * @throws StoreError locked where another process has it open; unavailable.
   */
  static async open(folder: string, maxBytes: number): Promise<Journal> {
    try {
      await mkdir(folder, { recursive: true });
    } catch (cause) {
      throw new StoreError("unavailable", `journal ${folder} cannot be made`, cause);
    }
    const unlock = await lockFolder(folder);
    const names = (await readdir(folder)).filter((name) => /^\d{10}\.jsonl$/.test(name)).sort();
    const sizes = await Promise.all(
      names.map(async (name) => (await stat(join(folder, name))).size),
    );
    const bytes = sizes.reduce((total, size) => total + size, 0);
    const sealed = names.map((name) => Number.parseInt(name, 10));
    return new Journal(folder, maxBytes, unlock, { sealed, bytes });
  }

  /** Bytes not replayed yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True where nothing waits to be replayed. */
  get isEmpty(): boolean {
    return this.#sealed.length === 0 && this.#current === null && this.#waiting.length === 0;
  }

  /**
   * Resolves when the entries are on disk.
   * @throws StoreError unavailable where the journal is full or cannot be written.
   */
  append(entries: JournalEntry[]): Promise<void> {
    const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
    if (this.#bytes + Buffer.byteLength(text) > this.#maxBytes) {
      const why = `journal ${this.#folder} is full (${this.#maxBytes} bytes)`;
      return Promise.reject(new StoreError("unavailable", why));
    }
    this.#bytes += Buffer.byteLength(text);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      const text = batch.map((one) => one.text).join("");
      try {
        this.#current ??= await this.#newSegment();
        await this.#current.appendFile(text);
        await this.#current.datasync();
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        // Half a line may be written: what comes next goes to a segment of its own.
        await this.#seal().catch(() => {});
        this.#bytes -= Buffer.byteLength(text);
        const why = cause instanceof Error ? cause.message : String(cause);
        const error = new StoreError("unavailable", `journal cannot be written: ${why}`, cause);
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = null;
  }

  async #newSegment(): Promise<FileHandle> {
    const number = this.#next;
    this.#next += 1;
    const handle = await open(this.#path(number), "a");
    this.#sealed.push(number);
    return handle;
  }

  async #seal(): Promise<void> {
    const handle = this.#current;
    this.#current = null;
    await handle?.close();
  }

  /**
   * Gives all that is journaled now to `apply`, the oldest first, in chunks; a segment is deleted
   * when all of it was applied. Stops where apply throws, and begins that segment again the next
   * time.
   */
  async replay(chunk: number, apply: (lines: ReplayLine[]) => Promise<void>): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    // Nothing can come between: what is appended from here on goes to a segment of its own.
    const sealed = [...this.#sealed];
    await this.#seal();
    for (const number of sealed) {
      for await (const lines of readChunks(this.#path(number), chunk)) await apply(lines);
      const { size } = await stat(this.#path(number));
      await unlink(this.#path(number));
      this.#bytes = Math.max(0, this.#bytes - size);
      this.#sealed.shift();
    }
  }

  /** Keeps what the store refuses, for people to look at. */
  async refuse(line: ReplayLine, why: string): Promise<void> {
    const text = `${JSON.stringify({ why, ...line })}\n`;
    await appendFile(join(this.#folder, "refused.jsonl"), text);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#seal();
    await this.#unlock();
  }

  #path(number: number): string {
    return join(this.#folder, `${String(number).padStart(10, "0")}.jsonl`);
  }
}

async function* readChunks(path: string, chunk: number): AsyncGenerator<ReplayLine[]> {
  const complete = await endsWithLineFeed(path);
  const text = createInterface({ input: createReadStream(path, "utf8") });
  let lines: ReplayLine[] = [];
  let held: string | undefined;
  const take = (line: string) => {
    lines.push(parseLine(line));
  };
  for await (const line of text) {
    if (held !== undefined) take(held);
    held = line;
    if (lines.length < chunk) continue;
    yield lines;
    lines = [];
  }
  // Without its line feed the last line was cut off in writing, and never acknowledged.
  if (held !== undefined && complete) take(held);
  if (lines.length > 0) yield lines;
}

async function endsWithLineFeed(path: string): Promise<boolean> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    if (size === 0) return true;
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] === 0x0a;
  } finally {
    await handle.close();
  }
}

function parseLine(line: string): ReplayLine {
  try {
    return { entry: JSON.parse(line) as JournalEntry };
  } catch {
    return { unreadable: line };
  }
}
