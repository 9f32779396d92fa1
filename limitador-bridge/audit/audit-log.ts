/**
 * The audit log: who changed what may be spent, and when. One JSON object a line; nothing is ever
 * rewritten or removed.
 */
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";

/** A change. What it is about is told by further fields. */
export interface AuditEntry {
  action: string;
  [field: string]: unknown;
}

export interface AuditLog {
  /** Durable when it resolves. @throws where it cannot be written */
  append(entries: readonly AuditEntry[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens (or makes) the file.
 * @param nowMs the time of each entry
 */
export async function openAuditLog(path: string, nowMs: () => number): Promise<AuditLog> {
  await mkdir(dirname(path), { recursive: true });
  // What is appended to a line that a crash cut off must not become part of it.
  const needsNewline = await endsInsideLine(path);
  const file = await open(path, "a");
  if (needsNewline) await file.appendFile("\n");
  return new AuditFile(file, nowMs);
}

async function endsInsideLine(path: string): Promise<boolean> {
  const file = await open(path, "a+");
  try {
    const { size } = await file.stat();
    if (size === 0) return false;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer.toString() !== "\n";
  } finally {
    await file.close();
  }
}

class AuditFile implements AuditLog {
  readonly #file: FileHandle;
  readonly #nowMs: () => number;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: FileHandle, nowMs: () => number) {
    this.#file = file;
    this.#nowMs = nowMs;
  }

  append(entries: readonly AuditEntry[]): Promise<void> {
    const time = new Date(this.#nowMs()).toISOString();
    const lines = entries.map((entry) => `${JSON.stringify({ time, ...entry })}\n`).join("");
    const written = this.#writing.then(() => this.#write(lines));
    this.#writing = written.catch(() => {});
    return written;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  async #write(lines: string): Promise<void> {
    if (lines === "") return;
    await this.#file.appendFile(lines);
    await this.#file.datasync();
  }
}
