/** Notes of one process in a file: one JSON object a line, appended and synced. */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { LineFile } from "../line-file.ts";
import { MemoryNotes } from "./memory-notes.ts";
import type { Note, Notes } from "./notes.ts";

/** Of a line that is left out so much is told. */
const TOLD_CHARS = 200;

/**
 * Opens (or makes) the file. What is over is left out of it, and so is a line that a crash cut off.
 * @param onWarning is told of each line that is left out though nothing says that it is over
 * @throws where the file cannot be read or written
 */
export async function openFileNotes(
  path: string,
  nowMs: () => number,
  onWarning: (message: string) => void,
): Promise<Notes> {
  await mkdir(dirname(path), { recursive: true });
  const kept: Note[] = [];
  for (const [index, text] of (await readIfThere(path)).split("\n").entries()) {
    if (text === "") continue;
    const note = parse(text);
    if (note === null) onWarning(leftOut(path, index + 1, text));
    else if (note.expiresAtMs > nowMs()) kept.push(note);
  }
  await replace(path, kept.map(line).join(""));
  return new FileNotes(new MemoryNotes(nowMs, kept), await LineFile.open(path));
}

function leftOut(path: string, number: number, text: string): string {
  const told = text.slice(0, TOLD_CHARS);
  return `${path}:${number}: expected a note (key, text, expiresAtMs), left out: ${told}`;
}

class FileNotes implements Notes {
  readonly #memory: MemoryNotes;
  readonly #file: LineFile;

  constructor(memory: MemoryNotes, file: LineFile) {
    this.#memory = memory;
    this.#file = file;
  }

  async add(note: Note): Promise<boolean> {
    if (!this.#memory.addNow(note)) return false;
    try {
      await this.#file.append(line(note));
    } catch (error) {
      this.#memory.remove(note.key);
      throw error;
    }
    return true;
  }

  list(prefix: string): Promise<Note[]> {
    return this.#memory.list(prefix);
  }

  close(): Promise<void> {
    return this.#file.close();
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

/** Null: it is none. */
function parse(text: string): Note | null {
  try {
    const { key, text: value, expiresAtMs } = (JSON.parse(text) ?? {}) as Partial<Note>;
    const isNote =
      typeof key === "string" && typeof value === "string" && typeof expiresAtMs === "number";
    return isNote ? { key, text: value, expiresAtMs } : null;
  } catch {
    return null;
  }
}
