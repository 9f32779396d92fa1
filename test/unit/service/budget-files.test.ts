import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openAuditLog } from "../../../limitador-bridge/audit/audit-log.ts";
import { openPolicyAudit } from "../../../limitador-bridge/audit/policy-audit.ts";
import { auditedObjects } from "../../../limitador-bridge/audit/policy-changes.ts";
import { startGrantRefresh } from "../../../limitador-bridge/budget/grant-refresh.ts";
import { GrantBook } from "../../../limitador-bridge/budget/grants.ts";
import { openFileNotes } from "../../../limitador-bridge/notes/file-notes.ts";
import { MemoryNotes } from "../../../limitador-bridge/notes/memory-notes.ts";
import { openNotes } from "../../../limitador-bridge/notes/open-notes.ts";
import { loadPolicyTexts } from "../../../limitador-bridge/policy/load.ts";

const NOW_MS = Date.UTC(2026, 2, 1);
const silent = { info: () => {}, warn: () => {}, error: () => {} };
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tollgate-budget-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const note = (key: string, expiresAtMs = NOW_MS + 1000) => ({
  key,
  text: `of ${key}`,
  expiresAtMs,
});

describe.each(["memory", "file"])("notes in %s", (kind) => {
  const open = async (clock: { nowMs: number }) =>
    kind === "memory"
      ? new MemoryNotes(() => clock.nowMs)
      : openFileNotes(
          join(folder, `${Math.random()}.jsonl`),
          () => clock.nowMs,
          () => {},
        );

  test("a key is written once while it lasts", async () => {
    const clock = { nowMs: NOW_MS };
    const notes = await open(clock);
    expect(await Promise.all([notes.add(note("a")), notes.add(note("a"))])).toEqual([true, false]);
    clock.nowMs += 1000;
    expect(await notes.list("")).toEqual([]);
    expect(await notes.add(note("a", NOW_MS + 5000))).toBe(true);
    await notes.close();
  });

  test("are listed by prefix, in the order of keys", async () => {
    const notes = await open({ nowMs: NOW_MS });
    for (const key of ["b/2", "a/1", "b/1"]) await notes.add(note(key));
    expect(await notes.list("b/")).toEqual([note("b/1"), note("b/2")]);
    await notes.close();
  });
});

test("notes in a file outlast the process, but for what is over and what was cut off", async () => {
  const path = join(folder, "lasting", "notes.jsonl");
  const clock = { nowMs: NOW_MS };
  const warnings: string[] = [];
  const open = () =>
    openFileNotes(
      path,
      () => clock.nowMs,
      (warning) => warnings.push(warning),
    );
  const first = await open();
  await first.add(note("long", NOW_MS + 5000));
  await first.add(note("short"));
  await first.close();
  await appendFile(path, '{"key":"half');
  clock.nowMs += 1000;
  const second = await open();
  await second.add(note("new", NOW_MS + 9000));
  await second.close();
  const third = await open();
  expect(await third.list("")).toEqual([note("long", NOW_MS + 5000), note("new", NOW_MS + 9000)]);
  await third.close();
  expect(warnings).toEqual([
    `${path}:3: expected a note (key, text, expiresAtMs), left out: {"key":"half`,
  ]);
});

test("notes are as lasting as the store", async () => {
  const kinds = await Promise.all(
    [null, join(folder, "state")].map((state) =>
      openNotes(
        "memory:",
        state,
        () => NOW_MS,
        () => {},
      ),
    ),
  );
  expect(kinds.map((notes) => notes.constructor.name)).toEqual(["MemoryNotes", "FileNotes"]);
  for (const notes of kinds) await notes.close();
});

describe("grants", () => {
  const terms = {
    team: "blue",
    amountNanoUsd: 5,
    createdAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 1000,
    reason: "r",
    author: "a",
  };

  test("of one replica are in force on the other with its next look", async () => {
    const notes = new MemoryNotes(() => NOW_MS);
    const [here, there] = [new GrantBook(notes), new GrantBook(notes)];
    const refresh = startGrantRefresh(there, silent, 5);
    const grant = await here.add(terms);
    expect(here.list({ team: "blue" }, NOW_MS)).toEqual([grant]);
    await expect.poll(() => there.list({ team: "blue" }, NOW_MS)).toEqual([grant]);
    await refresh.stop();
    expect(there.list({ team: "blue" }, NOW_MS + 1000)).toEqual([]);
    expect(there.list({ team: "red" }, NOW_MS)).toEqual([]);
  });

  test("that the notes have lost are noted again, but for those that are over", async () => {
    const notes = new MemoryNotes(() => NOW_MS);
    const grants = new GrantBook(notes);
    const kept = await grants.add(terms);
    const over = await grants.add({ ...terms, team: "red", expiresAtMs: NOW_MS + 500 });
    for (const { id } of [kept, over]) notes.remove(`grant/${id}`);
    await grants.refresh(NOW_MS + 500);
    await grants.refresh(NOW_MS + 500);
    const text = JSON.stringify(kept);
    expect(await notes.list("")).toEqual([
      { key: `grant/${kept.id}`, text, expiresAtMs: NOW_MS + 1000 },
    ]);
  });

  test("that cannot be kept are not in force", async () => {
    const failing = {
      ...new MemoryNotes(() => NOW_MS),
      add: () => Promise.reject(new Error("no")),
    };
    const grants = new GrantBook(failing as unknown as MemoryNotes);
    await expect(grants.add(terms)).rejects.toThrow("no");
    expect(grants.list({ team: "blue" }, NOW_MS)).toEqual([]);
  });

  test("stay in force while they cannot be read, and that is told once", async () => {
    const told: string[] = [];
    const log = { ...silent, error: (_: object, message: string) => told.push(message) };
    const refresh = startGrantRefresh({ refresh: () => Promise.reject(new Error("no")) }, log, 5);
    await refresh.run();
    await refresh.run();
    await refresh.stop();
    expect(told).toEqual(["grants not read: the known ones stay in force"]);
  });
});

describe("the audit log", () => {
  const lines = async (path: string) =>
    (await readFile(path, "utf8"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  const budget = (usd: number, name = "b") =>
    `apiVersion: ai.systemhardening.com/v1\nkind: LLMBudget\nmetadata: {name: ${name}}\n` +
    `spec: {team: ${name}, monthlyBudgetUSD: ${usd}}\n`;
  const objects = (...texts: string[]) =>
    auditedObjects(loadPolicyTexts(new Map([["p.yaml", texts.join("---\n")]])).documents);

  test("is only ever appended to, also after a line was cut off", async () => {
    const path = join(folder, "audit", "audit.jsonl");
    const first = await openAuditLog(path, () => NOW_MS);
    await Promise.all([first.append([{ action: "a" }, { action: "b" }]), first.append([])]);
    await first.close();
    await appendFile(path, '{"half');
    const second = await openAuditLog(path, () => NOW_MS);
    await second.append([{ action: "c", team: "blue" }]);
    await second.close();
    const time = "2026-03-01T00:00:00.000Z";
    expect(await readFile(path, "utf8")).toBe(
      `{"time":"${time}","action":"a"}\n{"time":"${time}","action":"b"}\n` +
        `{"half\n{"time":"${time}","action":"c","team":"blue"}\n`,
    );
  });

  test("has every change of a policy, also those made between two runs", async () => {
    const path = join(folder, "policies.jsonl");
    const last = join(folder, "in-force.json");
    const run = async (...states: ReturnType<typeof objects>[]) => {
      const audit = await openAuditLog(path, () => NOW_MS);
      const policies = await openPolicyAudit(last, audit, silent);
      for (const state of states) policies.inForce(state);
      await policies.flush();
      await audit.close();
    };
    await run(objects(budget(1)), objects(budget(1)), objects(budget(2)));
    await run(objects(budget(2)));
    await run(objects(budget(3, "c")));
    const told = (await lines(path)).map(({ action, name, before, after }) => [
      action,
      name,
      before?.spec.monthlyBudgetUSD ?? null,
      after?.spec.monthlyBudgetUSD ?? null,
    ]);
    expect(told).toEqual([
      ["policy_created", "b", null, 1],
      ["policy_changed", "b", 1, 2],
      ["policy_deleted", "b", 2, null],
      ["policy_created", "c", null, 3],
    ]);
    expect((await lines(path))[0]).toMatchObject({
      kind: "LLMBudget",
      namespace: "default",
      file: "p.yaml",
    });
  });

  test("what was in force last and cannot be read is told", async () => {
    const last = join(folder, "broken.json");
    await writeFile(last, "{");
    const told: string[] = [];
    const log = { ...silent, error: (_: object, message: string) => told.push(message) };
    await openPolicyAudit(last, { append: async () => {}, close: async () => {} }, log);
    expect(told).toEqual(["not readable: the audit log tells of all policies anew"]);
  });
});
