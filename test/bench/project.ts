/** Where things are. The bench runs compiled, from build/bench/test/bench. */
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const PROJECT_ROOT = resolve(fileURLToPath(import.meta.url), "../../../../..");
export const BENCH_FOLDER = resolve(fileURLToPath(import.meta.url), "..");
/** In the sources: what is in it is run as it is. */
export const PEERS_FOLDER = join(PROJECT_ROOT, "test/bench/peers");
export const TOLLGATE_WASM = join(PROJECT_ROOT, "build/tollgate.wasm");
export const NOOP_WASM = join(PROJECT_ROOT, "build/bench/noop.wasm");
export const SERVICE = join(PROJECT_ROOT, "dist/main.js");
export const RESULTS_FOLDER = join(PROJECT_ROOT, "bench/results");
