import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createService } from "./service-fixture.ts";

test("GET /v1/filter.wasm gives the file as it is, with its hash", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-wasm-"));
  try {
    const file = join(folder, "tollgate.wasm");
    const { app } = createService({ overrides: { wasm: file } });
    const missing = await app.inject("/v1/filter.wasm");
    expect([missing.statusCode, missing.json().error.code]).toEqual([404, "not_found"]);
    const bytes = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0xff]);
    writeFileSync(file, bytes);
    const found = await app.inject("/v1/filter.wasm");
    expect(found.statusCode).toBe(200);
    expect(found.rawPayload.equals(bytes)).toBe(true);
    expect(found.headers["content-type"]).toBe("application/wasm");
    expect(found.headers.etag).toBe(`"${createHash("sha256").update(bytes).digest("hex")}"`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
