/** Marks of alerts in the notes that all replicas share. */
import type { Notes } from "../notes/notes.ts";
import type { AlertMarks } from "./mark.ts";

const SENDING = "sending/";

/** One note says that an alert was sent, another that a replica is about to send it. */
export function noteMarks(notes: Pick<Notes, "add" | "list">, nowMs: () => number): AlertMarks {
  const note = (key: string, ttlMs: number) => ({
    key,
    text: new Date(nowMs()).toISOString(),
    expiresAtMs: nowMs() + ttlMs,
  });
  return {
    async begin(key, ttlMs) {
      const isOurs = await notes.add(note(SENDING + key, ttlMs));
      // Only now: who had it before has marked it as sent by the time that it is free again.
      const isSent = (await notes.list(key)).some((known) => known.key === key);
      if (isSent) return "done";
      return isOurs ? "ours" : "taken";
    },
    async end(key, ttlMs) {
      await notes.add(note(key, ttlMs));
    },
  };
}
