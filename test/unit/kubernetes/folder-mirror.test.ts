/** Which answers of the service are about the text that an object's file has now. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FolderMirror } from "../../../limitador-bridge/kubernetes/folder-mirror.ts";
import { BUDGET_KIND } from "../../../limitador-bridge/kubernetes/kinds.ts";
import { fileTextOf } from "../../../limitador-bridge/kubernetes/mirror-file.ts";
import { ObjectCache } from "../../../limitador-bridge/kubernetes/object-cache.ts";

const NAME = "llmbudget.ml.a.yaml";
const silent = { info() {}, warn() {}, error() {} };
const budget = (monthlyBudgetUSD: number) => ({
  metadata: { namespace: "ml", name: "a" },
  spec: { team: "a", monthlyBudgetUSD },
});

let folder = "";
let nowMs = 1000;
let cache: ObjectCache;
let mirror: FolderMirror;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-folder-"));
  nowMs = 1000;
  cache = new ObjectCache();
  cache.replace(BUDGET_KIND, [budget(1)], true);
  const parts = { folder, policies: folder, cache, log: silent };
  mirror = new FolderMirror({ ...parts, nowMs: () => nowMs });
});
afterEach(() => rmSync(folder, { recursive: true }));

test("none, until the file was there for as long as the service may need", async () => {
  expect(mirror.settledFile(BUDGET_KIND, budget(1), 1000)).toBe(null);
  await mirror.sync(true);
  expect(mirror.settledFile(BUDGET_KIND, budget(1), 999)).toBe(null);
  expect(mirror.settledFile(BUDGET_KIND, budget(1), 1000)).toBe(NAME);
  nowMs = 2000;
  expect(await mirror.sync(true)).toEqual({ files: 1, written: 0, removed: 0 });
  expect(mirror.settledFile(BUDGET_KIND, budget(1), 1000)).toBe(NAME);
});

test("none for a version that is not written yet, or just now", async () => {
  await mirror.sync(true);
  nowMs = 5000;
  cache.put(BUDGET_KIND, budget(2));
  expect(mirror.settledFile(BUDGET_KIND, budget(2), 4000)).toBe(null);
  await mirror.sync(true);
  expect(mirror.settledFile(BUDGET_KIND, budget(2), 4000)).toBe(null);
  expect(mirror.settledFile(BUDGET_KIND, budget(2), 5000)).toBe(NAME);
  expect(mirror.settledFile(BUDGET_KIND, budget(1), 5000)).toBe(null);
});

test("at once, where the file was there before this program", async () => {
  writeFileSync(join(folder, NAME), fileTextOf(BUDGET_KIND, budget(1)));
  await mirror.sync(true);
  expect(mirror.settledFile(BUDGET_KIND, budget(1), 0)).toBe(NAME);
});

test("a folder that was taken away is made again", async () => {
  await mirror.sync(true);
  rmSync(folder, { recursive: true });
  expect(await mirror.sync(true)).toEqual({ files: 1, written: 1, removed: 0 });
});
