/** Policy files and folders that cannot be read: what is shown, logged and in force. */
import { chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type InForce, keepInForce } from "../../../limitador-bridge/admission/in-force.ts";
import {
  type LoadedPolicies,
  loadPolicies,
  problemText,
} from "../../../limitador-bridge/policy/load.ts";
import { watchPolicies } from "../../../limitador-bridge/policy/watch.ts";
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

/** Does it as a user that the modes of files count for. */
async function asNobody<T>(act: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return act();
  process.seteuid?.(65534);
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
  }
}

test.each([
  ["the folder", "", 0o644, "lstat", "/a.yaml"],
  ["a folder below it", "sub", 0o644, "lstat", "/sub/b.yaml"],
  ["a folder below it", "sub", 0o000, "scandir", "/sub"],
])("%s (%j) with the mode %o serves on", async (_, folder, mode, call, place) => {
  await chmod(dir, 0o755);
  await mkdir(path("sub"));
  await writeFile(path("a.yaml"), text("a"));
  await writeFile(path("sub/b.yaml"), text("b"));
  const before = await loadPolicies(dir);
  await chmod(path(folder), mode);
  const [after, start] = await asNobody(async () => [
    await loadPolicies(dir, { previous: before }),
    await loadPolicies(dir),
  ]);
  await chmod(path(folder), 0o755);
  const problem =
    `${dir}:1:1: cannot read the policy folder: ` +
    `EACCES: permission denied, ${call} '${dir}${place}'`;
  expect(after?.problems.map(problemText)).toEqual([problem]);
  expect(matched(after as LoadedPolicies, request())).toEqual(["a", "b"]);
  expect(start?.problems.map(problemText)).toEqual([problem]);
});

describe("a link that cannot be followed", () => {
  const refusal = (file: string, reason: string) =>
    `the link cannot be followed: ${reason}, stat '${path(file)}'`;
  const NOWHERE = "ENOENT: no such file or directory";

  test("serves on where it was a file, and is a problem at a start", async () => {
    await writeFile(path("a.yaml"), text("a"));
    const before = await loadPolicies(dir);
    await rm(path("a.yaml"));
    await symlink("gone.yaml", path("a.yaml"));
    const message = refusal("a.yaml", NOWHERE);
    const after = await loadPolicies(dir, { previous: before });
    expect(shown(after)).toEqual([["a", "/a.yaml", false, true, [message]]]);
    expect(matched(after, request())).toEqual(["a"]);
    expect(shown(await loadPolicies(dir))).toEqual([["", "/a.yaml", false, false, [message]]]);
  });

  test("serves on what lay below it, beside what is new", async () => {
    await mkdir(path("sub"));
    await writeFile(path("sub/b.yaml"), text("b"));
    const before = await loadPolicies(dir);
    await rm(path("sub"), { recursive: true });
    await symlink("loop", path("sub"));
    await symlink("sub", path("loop"));
    await writeFile(path("a.yaml"), text("a"));
    const after = await loadPolicies(dir, { previous: before });
    const loop = "ELOOP: too many symbolic links encountered";
    expect(after.problems.map(problemText)).toEqual([
      `${path("loop")}:1:1: ${refusal("loop", loop)}`,
      `${path("sub")}:1:1: ${refusal("sub", loop)}`,
    ]);
    expect(matched(after, request()).sort()).toEqual(["a", "b"]);
  });

  test("is an editor's lock where its name begins with a dot", async () => {
    await writeFile(path("a.yaml"), text("a"));
    await symlink("someone@host.4711:1", path(".#a.yaml"));
    expect((await loadPolicies(dir)).problems).toEqual([]);
  });

  test("is told while the folder is watched", async () => {
    await writeFile(path("a.yaml"), text("a"));
    const initial = await loadPolicies(dir);
    const changes: LoadedPolicies[] = [];
    const watch = watchPolicies({
      dir,
      initial,
      onChange: (loaded) => changes.push(loaded),
      onError: (error) => expect(error).toBeUndefined(),
    });
    try {
      await symlink("gone.yaml", path("b.yaml"));
      const problems = () => changes.at(-1)?.problems.map(({ message }) => message);
      await expect.poll(problems, { timeout: 5_000 }).toEqual([refusal("b.yaml", NOWHERE)]);
      await writeFile(path("gone.yaml"), text("b"));
      await expect.poll(problems, { timeout: 5_000 }).not.toEqual([refusal("b.yaml", NOWHERE)]);
    } finally {
      await watch.close();
    }
  });
});

test("folders too deep to be read are a problem", async () => {
  const deep = join(...Array.from({ length: 17 }, () => "d"));
  await mkdir(path(deep), { recursive: true });
  await writeFile(path(join(deep, "a.yaml")), text("a"));
  expect((await loadPolicies(dir)).problems.map(problemText)).toEqual([
    `${path(deep)}:1:1: folders are read to a depth of 16`,
  ]);
});

test("the log says what each problem and warning means", async () => {
  const team = `${dir}-team`;
  await mkdir(team);
  await writeFile(join(team, "t.yaml"), text("t"));
  await symlink(team, path("team"));
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
    await rm(team, { recursive: true });
    await writeFile(path("b.yaml"), text("b"));
    await expect
      .poll(() => logged.find((line) => line.includes("./team")), { timeout: 5_000 })
      .toMatch(/^policy problem: what the folder held stays in force: /);
    logged.length = 0;
    await rename(dir, `${dir}-away`);
    await expect
      .poll(() => logged[0], { timeout: 5_000 })
      .toBe("policy problem: what the folder held stays in force: .:1:1: cannot read the policy ");
  } finally {
    await inForce.close();
  }
});
