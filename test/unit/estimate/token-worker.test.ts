import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunksOf } from "../../../limitador-bridge/estimate/token-worker-chunks.ts";
import { encodingOf } from "../../../limitador-bridge/estimate/token-worker-models.ts";
import {
  createTokenCounter,
  type TokenCounter,
} from "../../../limitador-bridge/estimate/token-worker-pool.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const ENGLISH =
  "The quick brown fox jumps over the lazy dog, 1234567 times; naïve café — 日本語のテキスト 🙂.\n\n";

describe("chunks", () => {
  test("ordinary text stays whole", () => {
    const text = ENGLISH.repeat(100);
    expect(chunksOf(text)).toEqual([text]);
    expect(chunksOf("")).toEqual([]);
    expect(chunksOf("a".repeat(256))).toEqual(["a".repeat(256)]);
  });

  test("long runs are cut, of letters and of spaces, and nothing is lost", () => {
    const text = `one ${"x".repeat(600)} two${" ".repeat(300)}three`;
    const chunks = chunksOf(text);
    expect(chunks.join("")).toBe(text);
    expect(chunks.map((chunk) => chunk.length)).toEqual([260, 256, 348, 49]);
  });

  test("no character is cut in two", () => {
    const text = `x${"🙂".repeat(400)}`;
    const chunks = chunksOf(text);
    expect(chunks.join("")).toBe(text);
    for (const chunk of chunks) expect(chunk).not.toMatch(/\p{Surrogate}/u);
  });
});

describe("tokenizers", () => {
  test.each([
    ["gpt-4o-mini", "o200k_base"],
    ["openai/gpt-4o-2024-08-06", "o200k_base"],
    ["ft:gpt-4o-mini-2024-07-18:acme::id", "o200k_base"],
    ["gpt-5.9-nano", "o200k_base"],
    ["o9-mini", "o200k_base"],
    ["gpt-3.5-turbo", "cl100k_base"],
    ["gpt-4-turbo", "cl100k_base"],
    ["text-embedding-3-small", "cl100k_base"],
    ["text-davinci-003", null],
    ["claude-opus-4", null],
    ["", null],
    [null, null],
    ["__proto__", null],
  ])("%s has %s", (model, encoding) => {
    expect(encodingOf(model)).toBe(encoding);
  });
});

describe("the thread", () => {
  let build: string;
  let counter: TokenCounter;
  const faults: string[] = [];
  const urlOf = (name: string) => pathToFileURL(join(build, name));

  beforeAll(() => {
    build = mkdtempSync(join(tmpdir(), "tollgate-worker-"));
    writeFileSync(join(build, "package.json"), '{"type":"module"}');
    symlinkSync(join(ROOT, "node_modules"), join(build, "node_modules"));
    const config = {
      extends: join(ROOT, "tsconfig.build.json"),
      compilerOptions: { rootDir: join(ROOT, "limitador-bridge/estimate"), outDir: build },
      include: [join(ROOT, "limitador-bridge/estimate/token-worker.ts")],
    };
    writeFileSync(join(build, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    execFileSync(process.execPath, [tsc, "-p", build], { stdio: "inherit" });
    // Both answer a job without texts, with which a tokenizer is made ready.
    writeFileSync(
      join(build, "endless.js"),
      'import { parentPort } from "node:worker_threads";\n' +
        'parentPort.on("message", ({ id, texts }) => {\n' +
        "  while (texts.length > 0);\n" +
        "  parentPort.postMessage({ id, tokens: 0 });\n});\n",
    );
    writeFileSync(
      join(build, "failing.js"),
      'import { parentPort } from "node:worker_threads";\n' +
        'parentPort.on("message", ({ id, texts }) => {\n' +
        '  if (texts[0] === "fail") throw new Error("broken");\n' +
        "  parentPort.postMessage({ id, tokens: 7 });\n});\n",
    );
    counter = createTokenCounter({
      worker: urlOf("token-worker.js"),
      timeoutMs: 25_000,
      onFault: (error) => void faults.push(error.message),
    });
  });
  afterAll(async () => {
    await counter.close();
    rmSync(build, { recursive: true, force: true });
  });

  // What js-tiktoken itself counts, the text in one piece.
  test.each([
    ["o200k_base", 560],
    ["cl100k_base", 600],
  ] as const)("counts as %s does", async (encoding, tokens) => {
    const text = ENGLISH.repeat(20);
    expect(await counter.count(encoding, [text])).toBe(tokens);
    expect(await counter.count(encoding, [text, "", "<|endoftext|>"])).toBe(tokens + 7);
  });

  test("32 kB without a space are counted fast, and close to the truth", async () => {
    // 36 characters are 5 tokens.
    const text = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(911);
    const began = performance.now();
    const tokens = await counter.count("o200k_base", [text]);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(tokens).toBeGreaterThanOrEqual(911 * 5);
    expect(tokens).toBeLessThan(911 * 5 * 1.06);
  });

  test("the event loop goes on meanwhile", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await counter.count("o200k_base", [ENGLISH.repeat(3000)]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(20);
    expect(faults).toEqual([]);
  });

  test("more than a megabyte, and more than 16 that wait, are not counted", async () => {
    expect(await counter.count("o200k_base", ["x".repeat(1024 * 1024 + 1)])).toBeNull();
    const many = Array.from({ length: 20 }, () => counter.count("o200k_base", ["hello world"]));
    const counts = await Promise.all(many);
    expect(counts).toEqual([...Array(17).fill(2), null, null, null]);
  });

  test("what takes too long is given up, and the next job has a new thread", async () => {
    const told: string[] = [];
    const slow = createTokenCounter({
      worker: urlOf("endless.js"),
      timeoutMs: 500,
      onFault: (error) => void told.push(error.message),
    });
    // Starting a thread counts for the first to ask, too, and takes long on a busy machine.
    for (const until = Date.now() + 25_000; told.length < 2 && Date.now() < until; ) {
      expect(await slow.count("o200k_base", ["a"])).toBeNull();
    }
    let tokens: number | null = null;
    for (const until = Date.now() + 25_000; tokens === null && Date.now() < until; ) {
      tokens = await slow.count("o200k_base", []);
    }
    expect(tokens).toBe(0);
    expect(told.length).toBeGreaterThanOrEqual(2);
    expect(new Set(told)).toEqual(new Set(["counting takes too long"]));
    await slow.close();
  });

  test("who does not wait for a tokenizer leaves it to be made for the next", async () => {
    const impatient = createTokenCounter({ worker: urlOf("token-worker.js"), timeoutMs: 250 });
    expect(await impatient.count("o200k_base", ["hello world"])).toBeNull();
    let tokens: number | null = null;
    for (const until = Date.now() + 25_000; tokens === null && Date.now() < until; ) {
      tokens = await impatient.count("o200k_base", ["hello world"]);
    }
    expect(tokens).toBe(2);
    await impatient.close();
  });

  test("a thread that fails costs one job", async () => {
    const told: string[] = [];
    const failing = createTokenCounter({
      worker: urlOf("failing.js"),
      timeoutMs: 25_000,
      onFault: (error) => void told.push(error.message),
    });
    const jobs = ["a", "fail", "b"].map((text) => failing.count("o200k_base", [text]));
    expect(await Promise.all(jobs)).toEqual([7, null, 7]);
    expect(told).toEqual(["broken"]);
    await failing.close();
    expect(await failing.count("o200k_base", ["a"])).toBeNull();
  });

  test("a thread that is not there", async () => {
    const told: string[] = [];
    const missing = createTokenCounter({
      worker: urlOf("missing.js"),
      timeoutMs: 25_000,
      onFault: (error) => void told.push((error as NodeJS.ErrnoException).code ?? ""),
    });
    expect(await missing.count("o200k_base", ["a"])).toBeNull();
    expect(told).toEqual(["MODULE_NOT_FOUND"]);
    await missing.close();
  });
});
