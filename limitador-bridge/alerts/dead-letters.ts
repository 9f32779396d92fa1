/** Alerts that could not be delivered, one JSON object a line. */
import { appendFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Alert } from "./alert.ts";

export interface DeadLetter {
  time: string;
  sender: string;
  attempts: number;
  error: string;
  alert: Alert;
}

export type DeadLetters = (letter: DeadLetter) => Promise<void>;

/** Appends to a file, which is made with its folder when the first alert is lost. */
export function deadLetterFile(path: string): DeadLetters {
  let last: Promise<void> = Promise.resolve();
  const write = async (line: string) => {
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, line, { mode: 0o600 });
  };
  return (letter) => {
    const written = last.then(() => write(`${JSON.stringify(letter)}\n`));
    last = written.catch(() => {});
    return written;
  };
}
