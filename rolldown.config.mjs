/**
 * The service as one file, dist/service.cjs: Node takes longer to find, read and link its 1,500
 * modules than to run them. What only some starts need stays in files of its own. dist/main.js, in
 * place of what tsc wrote, runs it (limitador-bridge/run-bundle.ts).
 */
import { defineConfig } from "rolldown";

export default defineConfig([
  {
    input: {
      service: "limitador-bridge/main.ts",
      "token-worker": "limitador-bridge/estimate/token-worker.ts",
    },
    platform: "node",
    // Native code, which is found by its place; and the tokenizers' tables, which are large.
    external: ["classic-level", /^js-tiktoken\/ranks\//],
    output: {
      dir: "dist",
      // V8 can keep the code of a script, but in Node 20 not that of a module.
      format: "cjs",
      entryFileNames: "[name].cjs",
      chunkFileNames: "[name]-[hash].cjs",
      sourcemap: true,
    },
  },
  {
    input: { main: "limitador-bridge/run-bundle.ts" },
    platform: "node",
    output: { dir: "dist", sourcemap: true },
  },
]);
