import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/plain-reporter.ts"],
    // Tests start real servers, which need the cores; files at once would only disturb each other.
    maxWorkers: 1,
    // Real processes on a machine that others use too: what passes at the second try is told, and
    // what fails twice has failed (docs/decisions/012).
    retry: 1,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
