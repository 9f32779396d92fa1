/**
 * Runs a TypeScript module in a process of its own, for tests that kill it:
 * node run-ts.mjs MODULE.ts ARG…  The module's default export gets the arguments.
 */
import { runnerImport } from "vite";

const [path, ...args] = process.argv.slice(2);
const { module } = await runnerImport(path, { configFile: false, logLevel: "error" });
await module.default(...args);
