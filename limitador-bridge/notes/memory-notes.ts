/** Notes of one process; a restart forgets them, as it forgets the counters of a memory store. */
import { byKey, type Note, type Notes } from "./notes.ts";

export class MemoryNotes implements Notes {
  readonly #notes = new Map<string, Note>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number, notes: readonly Note[] = []) {
    this.#nowMs = nowMs;
    for (const note of notes) this.#notes.set(note.key, note);
  }

  async add(note: Note): Promise<boolean> {
    return this.addNow(note);
  }

  /** As add, at once. */
  addNow(note: Note): boolean {
    const known = this.#notes.get(note.key);
    if (known !== undefined && known.expiresAtMs > this.#nowMs()) return false;
    this.#notes.set(note.key, note);
    return true;
  }

  /** Undoes an add. */
  remove(key: string): void {
    this.#notes.delete(key);
  }

  async list(prefix: string): Promise<Note[]> {
    const nowMs = this.#nowMs();
    for (const [key, { expiresAtMs }] of this.#notes) {
      if (expiresAtMs <= nowMs) this.#notes.delete(key);
    }
    return [...this.#notes.values()].filter(({ key }) => key.startsWith(prefix)).sort(byKey);
  }

  async close(): Promise<void> {}
}
