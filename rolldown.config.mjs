/**
 * The service as one file in dist/, in place of what tsc wrote: Node takes longer to find, read
 * and link its 1,500 modules than to run them. What only some starts need stays in files of its own.
 */
import { defineConfig } from "rolldown";

export default defineConfig({
  input: {
    main: "limitador-bridge/main.ts",
    "token-worker": "limitador-bridge/estimate/token-worker.ts",
  },
  platform: "node",
  // Native code, which is found by its place; and the tokenizers' tables, which are large.
  external: ["classic-level", /^js-tiktoken\/ranks\//],
  output: { dir: "dist", sourcemap: true },
});
