/** Notes of one process in a file: one JSON object a line, appended and synced. */
import { type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { MemoryNotes } from "./memory-notes.ts";
import type { Note, Notes } from "./notes.ts";

/**
 * Opens (or makes) the file. What is over is left out of it, and so is a line that a crash cut off.
 * @throws where the file cannot be read or written
 */
export async function openFileNotes(path: string, nowMs: () => number): Promise<Notes> {
  await mkdir(dirname(path), { recursive: true });
  const kept = parse(await readIfThere(path)).filter(({ expiresAtMs }) => expiresAtMs > nowMs());
  await replace(path, kept.map(line).join(""));
  return new FileNotes(new MemoryNotes(nowMs, kept), await open(path, "a"));
}

class FileNotes implements Notes {
  readonly #memory: MemoryNotes;
  readonly #file: FileHandle;
  #writing: Promise<void> = Promise.resolve();

  constructor(memory: MemoryNotes, file: FileHandle) {
    this.#memory = memory;
    this.#file = file;
  }

  async add(note: Note): Promise<boolean> {
    if (!this.#memory.addNow(note)) return false;
    const written = this.#writing.then(() => this.#append(note));
    this.#writing = written.catch(() => {});
    try {
      await written;
    } catch (error) {
      this.#memory.remove(note.key);
      throw error;
    }
    return true;
  }

  list(prefix: string): Promise<Note[]> {
    return this.#memory.list(prefix);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  async #append(note: Note): Promise<void> {
    await this.#file.appendFile(line(note));
    await this.#file.datasync();
  }
}

function line(note: Note): string {
  return `${JSON.stringify(note)}\n`;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return "";
    throw error;
  }
}

/** The whole file or the old one, whenever the machine stops. */
async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.next`;
  const file = await open(next, "w");
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}

function parse(text: string): Note[] {
  return text.split("\n").flatMap((each) => {
    try {
      const note = JSON.parse(each) as Partial<Note> | null;
      const { key, text: value, expiresAtMs } = note ?? {};
      const isNote =
        typeof key === "string" && typeof value === "string" && typeof expiresAtMs === "number";
      return isNote ? [{ key, text: value, expiresAtMs }] : [];
    } catch {
      return [];
    }
  });
}
