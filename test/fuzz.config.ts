/** `make fuzz`: the tests of test/fuzz with many more inputs, and 50,000 requests through Envoy. */
import { defineConfig } from "vitest/config";

const soak = process.env.CORPUS === undefined ? ["test/fuzz/envoy-soak.ts"] : [];

export default defineConfig({
  test: {
    include: ["test/fuzz/*.test.ts", ...soak],
    reporters: ["default"],
    testTimeout: 0,
    hookTimeout: 60_000,
    // One after the other: what the process of Envoy takes is measured.
    fileParallelism: false,
    env: {
      RUNS: process.env.RUNS ?? "100000",
      SEED: process.env.SEED ?? String(Date.now() % 1_000_000_000),
    },
  },
});
