/** `make corpus`: not part of the tests, since its folder need not be there. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/e2e/corpus.ts"], reporters: ["default"] },
});
