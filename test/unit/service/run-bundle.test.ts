/** dist/main.js (limitador-bridge/run-bundle.ts) with a bundle of the test's own beside it. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const MAIN = resolve(import.meta.dirname, "../../../dist/main.js");
const DIGEST_BYTES = 32;

let dir = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tollgate-bundle-"));
  copyFileSync(MAIN, join(dir, "main.js"));
  writeFileSync(join(dir, "package.json"), '{"type":"module"}');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Sources of two words of the same length have the same length, too. */
const bundle = (word: string) => `console.log("${word}"); exports.started = Promise.resolve();`;
const digestOf = (source: string) => createHash("sha256").update(source).digest();
const keptCode = () => readFileSync(join(dir, "service.cjs.code"));

function run(word: string, ...args: string[]) {
  writeFileSync(join(dir, "service.cjs"), bundle(word));
  const main = [join(dir, "main.js"), ...args];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, main, {
    encoding: "utf8",
  });
  return { status, signal, stdout, stderr };
}

describe("the bundled service", () => {
  test("runs without kept code", () => {
    expect(run("one")).toEqual({ status: 0, signal: null, stdout: "one\n", stderr: "" });
  });

  test("--keep-code keeps V8's code, under the digest of the source, and ends", () => {
    const { stdout, signal } = run("one", "--keep-code");
    expect({ stdout, signal }).toEqual({ stdout: "one\n", signal: "SIGTERM" });
    expect(keptCode().subarray(0, DIGEST_BYTES)).toEqual(digestOf(bundle("one")));
    expect(keptCode().length).toBeGreaterThan(DIGEST_BYTES);
    expect(readdirSync(dir).sort()).toEqual([
      "main.js",
      "package.json",
      "service.cjs",
      "service.cjs.code",
    ]);
  });

  test("the kept code is what runs: V8 takes that of another source of this length", () => {
    run("one", "--keep-code");
    const code = keptCode().subarray(DIGEST_BYTES);
    writeFileSync(join(dir, "service.cjs.code"), Buffer.concat([digestOf(bundle("two")), code]));
    expect(run("two").stdout).toBe("one\n");
  });

  test("kept code of another source is not used, even of one as long", () => {
    run("one", "--keep-code");
    expect(run("two").stdout).toBe("two\n");
  });

  test("code that V8 cannot use is left alone", () => {
    const code = Buffer.concat([digestOf(bundle("one")), Buffer.from("not bytecode")]);
    writeFileSync(join(dir, "service.cjs.code"), code);
    expect(run("one")).toEqual({ status: 0, signal: null, stdout: "one\n", stderr: "" });
  });
});
