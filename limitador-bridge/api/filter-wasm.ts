/** GET /v1/filter.wasm: the filter, for proxies that fetch it (Envoy's remote code, Istio). */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { ApiError } from "../errors.ts";

/** @param file the compiled filter; read anew for each call, which comes once for each proxy */
export function registerFilterWasm(app: FastifyInstance, file: string): void {
  const schema = {
    summary: "The compiled filter; its SHA-256 is the ETag",
    response: { 200: Type.String() },
  };
  const config = { contentType: "application/wasm" };
  app.get("/v1/filter.wasm", { schema, config }, async (_, reply) => {
    const wasm = await read(file);
    const etag = `"${createHash("sha256").update(wasm).digest("hex")}"`;
    return reply.header("etag", etag).type("application/wasm").send(wasm);
  });
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new ApiError("not_found", "the filter is not compiled here: see make build");
  }
}
