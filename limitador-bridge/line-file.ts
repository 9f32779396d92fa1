/**
 * A file of one process that whole lines are appended to. What an append that failed (on a full
 * disk) has left of itself is cut off, so that the next one does not become part of half a line.
 */
import { type FileHandle, open } from "node:fs/promises";

const LINE_END = 0x0a;

export class LineFile {
  readonly #file: FileHandle;
  #writing: Promise<void> = Promise.resolve();
  /** Bytes that were sound before the append that failed last; null: all of them are. */
  #soundBytes: number | null = null;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Opens (or makes) the file. A last line that a crash cut off is ended.
   * @throws where it cannot be read or written
   */
  static async open(path: string): Promise<LineFile> {
    const file = await open(path, "a+");
    try {
      if (await endsInsideLine(file)) await file.appendFile("\n");
    } catch (error) {
      await file.close();
      throw error;
    }
    return new LineFile(file);
  }

  /**
   * Appends lines behind those of all calls before; durable when it resolves.
   * @param lines each with its line end
   * @throws where they cannot be written; none of them is kept then
   */
  append(lines: string): Promise<void> {
    const written = this.#writing.then(() => this.#write(lines));
    // Whoever made the call is told; the next one has its own chance.
    this.#writing = written.catch(() => {});
    return written;
  }

  /** Resolves when all that was appended is on disk. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  async #write(lines: string): Promise<void> {
    await this.#cutOff();
    const { size } = await this.#file.stat();
    try {
      await this.#file.appendFile(lines);
      await this.#file.datasync();
    } catch (error) {
      this.#soundBytes = size;
      // At once, since there may be no next append; where it fails, the next one begins with it.
      await this.#cutOff().catch(() => {});
      throw error;
    }
  }

  async #cutOff(): Promise<void> {
    if (this.#soundBytes === null) return;
    const { size } = await this.#file.stat();
    if (size > this.#soundBytes) await this.#file.truncate(this.#soundBytes);
    this.#soundBytes = null;
  }
}

async function endsInsideLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== LINE_END;
}
