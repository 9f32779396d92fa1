/**
 * The audit log: who changed what may be spent, and when. One JSON object a line; nothing is ever
 * rewritten or removed.
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { LineFile } from "../line-file.ts";

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
  return new AuditFile(await LineFile.open(path), nowMs);
}

class AuditFile implements AuditLog {
  readonly #file: LineFile;
  readonly #nowMs: () => number;

  constructor(file: LineFile, nowMs: () => number) {
    this.#file = file;
    this.#nowMs = nowMs;
  }

  async append(entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const time = new Date(this.#nowMs()).toISOString();
    const lines = entries.map((entry) => `${JSON.stringify({ time, ...entry })}\n`).join("");
    await this.#file.append(lines);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
