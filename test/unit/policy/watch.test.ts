import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type LoadedPolicies,
  loadPolicies,
  problemText,
} from "../../../limitador-bridge/policy/load.ts";
import { type PolicyWatch, watchPolicies } from "../../../limitador-bridge/policy/watch.ts";
import { matched, policy, request } from "./fixture.ts";

const text = (limit: string) => policy(`  limits: {${limit}: {rates: [{limit: 1, window: 1h}]}}\n`);

let dir: string;
let watch: PolicyWatch | null;
let current: LoadedPolicies;
let calls: number;
const errors: unknown[] = [];

async function start(): Promise<void> {
  current = await loadPolicies(dir);
  calls = 0;
  watch = watchPolicies({
    dir,
    initial: current,
    onChange: (loaded) => {
      calls++;
      current = loaded;
    },
    onError: (error) => errors.push(error),
  });
}

/** Waits until the limits in force are these; fails after 2 s, which is what was promised. */
async function inForce(...limits: string[]): Promise<void> {
  await expect
    .poll(() => matched(current, request()), { timeout: 2000, interval: 20 })
    .toEqual(limits);
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tollgate-policies-"));
  watch = null;
  errors.length = 0;
});
afterEach(async () => {
  await watch?.close();
  await rm(dir, { recursive: true });
  expect(errors).toEqual([]);
});

describe("a folder", () => {
  test("is read with everything below it, but for hidden and other files", async () => {
    await mkdir(join(dir, "team", "deep"), { recursive: true });
    await mkdir(join(dir, ".git"));
    await writeFile(join(dir, "team", "deep", "a.yml"), text("deep"));
    await writeFile(join(dir, ".git", "b.yaml"), text("hidden"));
    await writeFile(join(dir, ".c.yaml"), text("hidden"));
    await writeFile(join(dir, "d.json5"), "{}");
    await symlink(dir, join(dir, "team", "loop"));
    const loaded = await loadPolicies(dir);
    expect([...loaded.files.keys()]).toEqual([join(dir, "team", "deep", "a.yml")]);
    expect(matched(loaded, request())).toEqual(["deep"]);
  });

  test("that is not there is a problem", async () => {
    const missing = join(dir, "missing");
    const loaded = await loadPolicies(missing);
    expect(loaded.problems.map(problemText)).toEqual([
      `${missing}:1:1: cannot read the policy folder: ENOENT: no such file or directory, ` +
        `realpath '${missing}'`,
    ]);
    expect(loaded.documents).toEqual([]);
  });

  test("that goes away leaves what it held in force", async () => {
    await writeFile(join(dir, "a.yaml"), text("a"));
    const before = await loadPolicies(dir);
    const after = await loadPolicies(join(dir, "missing"), { previous: before });
    expect(matched(after, request())).toEqual(["a"]);
    expect(after.problems.length).toBe(1);
    const again = await loadPolicies(join(dir, "missing"), { previous: after });
    expect(again.problems).toEqual(after.problems);
  });
});

describe("watching", () => {
  test("a change, a new file and a deletion are in force within 2 s", async () => {
    await writeFile(join(dir, "a.yaml"), text("a1"));
    await start();
    await writeFile(join(dir, "a.yaml"), text("a2"));
    await inForce("a2");
    await mkdir(join(dir, "sub"));
    await writeFile(join(dir, "sub", "b.yaml"), text("b").replace("name: p\n", "name: q\n"));
    await inForce("a2", "b");
    await rm(join(dir, "a.yaml"));
    await inForce("b");
    expect(calls).toBe(3);
  });

  test("a broken change is told, and what was good goes on", async () => {
    await writeFile(join(dir, "a.yaml"), text("a1"));
    await start();
    await writeFile(join(dir, "a.yaml"), text("a2").replace("limits", "limts"));
    await expect
      .poll(() => current.problems.map(problemText), { timeout: 2000, interval: 20 })
      .toEqual([
        `${join(dir, "a.yaml")}:7:3: spec.limts: unknown field "limts"; did you mean "limits"?`,
      ]);
    await inForce("a1");
    await writeFile(join(dir, "a.yaml"), text("a3"));
    await inForce("a3");
    expect(current.problems).toEqual([]);
  });

  test("a ConfigMap's swapped link is seen", async () => {
    for (const version of ["1", "2"]) {
      await mkdir(join(dir, `..data_${version}`));
      await writeFile(join(dir, `..data_${version}`, "a.yaml"), text(`v${version}`));
    }
    await symlink("..data_1", join(dir, "..data"));
    await symlink(join("..data", "a.yaml"), join(dir, "a.yaml"));
    await start();
    await inForce("v1");
    await symlink("..data_2", join(dir, "..data_tmp"));
    await rename(join(dir, "..data_tmp"), join(dir, "..data"));
    await inForce("v2");
  });

  test("a change before the watch began is seen, too", async () => {
    await writeFile(join(dir, "a.yaml"), text("a1"));
    const initial = await loadPolicies(dir);
    await writeFile(join(dir, "a.yaml"), text("a2"));
    const seen = new Promise<LoadedPolicies>((resolve, reject) => {
      watch = watchPolicies({ dir, initial, onChange: resolve, onError: reject });
    });
    expect(matched(await seen, request())).toEqual(["a2"]);
  });

  test("nothing is told where nothing changed, nor after close", async () => {
    await writeFile(join(dir, "a.yaml"), text("a1"));
    await start();
    await writeFile(join(dir, "a.yaml"), text("a1"));
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(calls).toBe(0);
    await watch?.close();
    await writeFile(join(dir, "a.yaml"), text("a2"));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(calls).toBe(0);
  });

  test("an error of the caller's does not end the watch", async () => {
    await writeFile(join(dir, "a.yaml"), text("a1"));
    const seen: string[] = [];
    const thrown: unknown[] = [];
    watch = watchPolicies({
      dir,
      initial: await loadPolicies(dir),
      onChange: (loaded) => {
        seen.push(...matched(loaded, request()));
        throw new Error("caller");
      },
      onError: (error) => thrown.push(error),
    });
    for (const limit of ["a2", "a3"]) {
      await writeFile(join(dir, "a.yaml"), text(limit));
      await expect.poll(() => seen.at(-1), { timeout: 2000, interval: 20 }).toBe(limit);
    }
    expect(thrown).toEqual([new Error("caller"), new Error("caller")]);
  });
});
