/** Policy files and folders that cannot be read: what is shown, logged and in force. */
import { mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type InForce, keepInForce } from "../../../limitador-bridge/admission/in-force.ts";
import {
  type LoadedPolicies,
  loadPolicies,
  problemText,
} from "../../../limitador-bridge/policy/load.ts";
import { matched, policy, request } from "./fixture.ts";

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const text = (name: string) =>
  policy(`  limits: {${name}: {rates: [{limit: 1, window: 1h}]}}\n`, { name });

let dir: string;
const path = (file: string) => join(dir, file);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tollgate-unreadable-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
  await rm(`${dir}-away`, { recursive: true, force: true });
});

/** name, whether it is accepted, whether it is in force, and its problems. */
function shown({ set }: LoadedPolicies) {
  return set.status().map(({ name, file, accepted, inForce, problems }) => {
    return [
      name,
      file.slice(dir.length),
      accepted,
      inForce,
      problems.map(({ message }) => message),
    ];
  });
}

const TOO_LARGE = "a policy file has at most 16777216 bytes";

test("a file that is too large is shown", async () => {
  await writeFile(path("a.yaml"), text("a"));
  await writeFile(path("b.yaml"), "");
  await truncate(path("b.yaml"), MAX_FILE_BYTES + 1);
  const loaded = await loadPolicies(dir);
  expect(loaded.problems.map(problemText)).toEqual([`${path("b.yaml")}:1:1: ${TOO_LARGE}`]);
  expect(shown(loaded)).toEqual([
    ["", "/b.yaml", false, false, [TOO_LARGE]],
    ["a", "/a.yaml", true, true, []],
  ]);
});

test("a file that grew too large serves on, and says so until it is mended", async () => {
  await writeFile(path("a.yaml"), text("a"));
  const before = await loadPolicies(dir);
  await truncate(path("a.yaml"), MAX_FILE_BYTES + 1);
  const after = await loadPolicies(dir, { previous: before });
  expect(shown(after)).toEqual([["a", "/a.yaml", false, true, [TOO_LARGE]]]);
  expect(matched(after, request())).toEqual(["a"]);
  expect(after.set.version).toBe(before.set.version);
  expect(await loadPolicies(dir, { previous: after })).toBe(after);
  await writeFile(path("a.yaml"), text("a"));
  const mended = await loadPolicies(dir, { previous: after });
  expect(shown(mended)).toEqual([["a", "/a.yaml", true, true, []]]);
  expect(mended.problems).toEqual([]);
});

test("a folder that is gone is shown, and what it held", async () => {
  await writeFile(path("a.yaml"), text("a"));
  const before = await loadPolicies(dir);
  await rename(dir, `${dir}-away`);
  const after = await loadPolicies(dir, { previous: before });
  const reason = `ENOENT: no such file or directory, realpath '${dir}'`;
  const gone = `cannot read the policy folder: ${reason}`;
  expect(shown(after)).toEqual([
    ["", "", false, false, [gone]],
    ["a", "/a.yaml", true, true, []],
  ]);
  expect(matched(after, request())).toEqual(["a"]);
});

test("the log says what each problem and warning means", async () => {
  const logged: string[] = [];
  const log = (fields: object, message: string) => {
    const { problem, warning } = fields as { problem?: string; warning?: string };
    const what = problem ?? warning;
    if (what !== undefined) logged.push(`${message}: ${what.replaceAll(dir, ".").slice(0, 30)}`);
  };
  await writeFile(path("a.yaml"), text("a"));
  const inForce: InForce = keepInForce({
    policies: { dir, initial: await loadPolicies(dir), load: {} },
    prices: null,
    makePrices: () => ({}) as never,
    metrics: { policyReloads: { inc: () => {} } } as never,
    log: { info: log, warn: log, error: log },
  });
  try {
    await writeFile(path("a.yaml"), "kind: [");
    await writeFile(path("b.yaml"), "kind: [");
    const onRoute = text("c").replace("Gateway, name: gw", "HTTPRoute, name: llm");
    await writeFile(path("c.yaml"), onRoute);
    await expect
      .poll(() => [...new Set(logged)].sort(), { timeout: 5_000 })
      .toEqual([
        "policy problem: it is not in force: ./b.yaml:1:8: YAML: Flow seque",
        "policy problem: the last good version serves: ./a.yaml:1:8: YAML: Flow seque",
        "policy warning: ./c.yaml:6:72: spec.targetRef.",
      ]);
    logged.length = 0;
    await rename(dir, `${dir}-away`);
    await expect
      .poll(() => logged[0], { timeout: 5_000 })
      .toBe("policy problem: what the folder held stays in force: .:1:1: cannot read the policy ");
  } finally {
    await inForce.close();
  }
});
