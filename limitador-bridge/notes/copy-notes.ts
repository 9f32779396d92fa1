/** Copies the notes of one store into those of another. */
import { StoreError } from "../ledger/store/store-error.ts";
import type { Note, Notes } from "./notes.ts";

/**
 * Copies every note whose key `to` has not, and reads them again.
 * @param to null: only counts
 * @returns how many `from` has
 * @throws what the notes throw, StoreError corrupt where not all arrived
 */
export async function copyNotes(from: Notes, to: Notes | null): Promise<number> {
  const notes = await from.list("");
  if (to === null) return notes.length;
  const written: Note[] = [];
  for (const note of notes) if (await to.add(note)) written.push(note);
  const arrived = new Map((await to.list("")).map((note) => [note.key, note]));
  const lost = written.filter((note) => !isSame(note, arrived.get(note.key)));
  if (lost.length === 0) return notes.length;
  const found = `${written.length} copied, ${written.length - lost.length} found`;
  throw new StoreError("corrupt", `not all arrived in TO: notes: ${found}`);
}

function isSame({ text, expiresAtMs }: Note, other: Note | undefined): boolean {
  return other?.text === text && other.expiresAtMs === expiresAtMs;
}
