import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openEmbeddedStore } from "../../limitador-bridge/ledger/store/embedded.ts";
import { storeContract } from "./contract.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-store-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

let count = 0;
storeContract("embedded", (options) => {
  count += 1;
  return openEmbeddedStore(join(folder, String(count)), options);
});
