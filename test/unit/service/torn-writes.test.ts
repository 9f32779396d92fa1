/** What an append that fails half way leaves behind, in the files that budgets keep. */
import { type FileHandle, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { openAuditLog } from "../../../limitador-bridge/audit/audit-log.ts";
import { openFileNotes } from "../../../limitador-bridge/notes/file-notes.ts";

const NOW_MS = Date.UTC(2026, 2, 1);
const NO_SPACE = "ENOSPC: no space left on device, write";
let folder: string;
/** Of all open files. */
let files: FileHandle;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tollgate-torn-"));
  const file = await open(join(folder, "any"), "w");
  files = Object.getPrototypeOf(file) as FileHandle;
  await file.close();
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

const note = (key: string) => ({ key, text: `of ${key}`, expiresAtMs: NOW_MS + 1000 });
const noteLine = (key: string) => `${JSON.stringify(note(key))}\n`;

/** The next append writes so much of its text, and no more. */
function tearNextAppend(chars: number): void {
  vi.spyOn(files, "appendFile").mockImplementationOnce(async function tear(this: FileHandle, text) {
    await this.write(String(text).slice(0, chars));
    throw new Error(NO_SPACE);
  });
}

function openNotes(path: string, warnings: string[] = []) {
  return openFileNotes(
    path,
    () => NOW_MS,
    (warning) => warnings.push(warning),
  );
}

test("a note behind one that was torn is kept, and the torn one is not", async () => {
  const path = join(folder, "half.jsonl");
  const notes = await openNotes(path);
  await notes.add(note("a"));
  tearNextAppend(9);
  const told = await Promise.allSettled([notes.add(note("torn")), notes.add(note("b"))]);
  expect(told).toEqual([
    { status: "rejected", reason: new Error(NO_SPACE) },
    { status: "fulfilled", value: true },
  ]);
  expect(await readFile(path, "utf8")).toBe(noteLine("a") + noteLine("b"));
  await notes.close();
  const warnings: string[] = [];
  const again = await openNotes(path, warnings);
  expect(await again.list("")).toEqual([note("a"), note("b")]);
  expect(warnings).toEqual([]);
  await again.close();
});

test("what cannot be cut off at once is cut off before the next note", async () => {
  const path = join(folder, "later.jsonl");
  const notes = await openNotes(path);
  tearNextAppend(9);
  vi.spyOn(files, "truncate").mockRejectedValueOnce(new Error("EIO: i/o error, ftruncate"));
  await expect(notes.add(note("torn"))).rejects.toThrow(NO_SPACE);
  expect(await readFile(path, "utf8")).toBe('{"key":"t');
  await notes.add(note("b"));
  expect(await readFile(path, "utf8")).toBe(noteLine("b"));
  await notes.close();
});

test("as long as it cannot be cut off, no note is taken", async () => {
  const path = join(folder, "never.jsonl");
  const notes = await openNotes(path);
  tearNextAppend(9);
  vi.spyOn(files, "truncate").mockRejectedValue(new Error("EIO: i/o error, ftruncate"));
  await expect(notes.add(note("torn"))).rejects.toThrow(NO_SPACE);
  await expect(notes.add(note("b"))).rejects.toThrow("EIO: i/o error, ftruncate");
  expect(await notes.list("")).toEqual([]);
  await notes.close();
});

test("a note that was written and not synced was refused, and is not there later", async () => {
  const path = join(folder, "unsynced.jsonl");
  const notes = await openNotes(path);
  vi.spyOn(files, "datasync").mockRejectedValueOnce(new Error("EIO: i/o error, fdatasync"));
  await expect(notes.add(note("a"))).rejects.toThrow("EIO: i/o error, fdatasync");
  await notes.close();
  expect(await readFile(path, "utf8")).toBe("");
});

test("an audit entry behind one that was torn is a line of its own", async () => {
  const path = join(folder, "audit.jsonl");
  const audit = await openAuditLog(path, () => NOW_MS);
  await audit.append([{ action: "a" }]);
  tearNextAppend(50);
  await expect(audit.append([{ action: "torn" }, { action: "too" }])).rejects.toThrow(NO_SPACE);
  await audit.append([{ action: "b" }]);
  await audit.close();
  const time = "2026-03-01T00:00:00.000Z";
  expect(await readFile(path, "utf8")).toBe(
    `{"time":"${time}","action":"a"}\n{"time":"${time}","action":"b"}\n`,
  );
});
