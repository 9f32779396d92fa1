/** Opens the notes that belong to a store. */
import { join } from "node:path";
import { openFileNotes } from "./file-notes.ts";
import { MemoryNotes } from "./memory-notes.ts";
import type { Notes } from "./notes.ts";

const TIMEOUT_MS = 2_000;

/**
 * Notes as shared and as lasting as the store is.
 * @param folder for files beside the store; null: nothing outlasts the process
 */
export async function openNotes(
  storeUrl: string,
  folder: string | null,
  nowMs: () => number,
  onWarning: (message: string) => void,
): Promise<Notes> {
  if (storeUrl.startsWith("redis")) {
    // Its client takes long to load, and most stores have none.
    const { RedisNotes } = await import("./redis-notes.ts");
    return new RedisNotes(storeUrl, TIMEOUT_MS, onWarning);
  }
  if (folder === null) return new MemoryNotes(nowMs);
  return openFileNotes(join(folder, "notes.jsonl"), nowMs, onWarning);
}
