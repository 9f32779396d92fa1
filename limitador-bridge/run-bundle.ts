/**
 * Runs the bundled service, dist/service.cjs, with the bytecode that V8 made of it in an earlier
 * run, which saves a fifth of a start. `--keep-code` starts the service, keeps what was compiled
 * until it was ready, and ends.
 *
 * V8 refuses bytecode of another version or of other flags, but tells sources apart by their
 * length alone; hence the digest. Without bytecode the service runs all the same. See `cachedData`
 * in https://nodejs.org/docs/latest-v20.x/api/vm.html and docs/decisions/017.
 */
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

type ModuleFunction = (
  exports: object,
  require: NodeJS.Require,
  module: { exports: { started?: Promise<void> } },
  filename: string,
  dirname: string,
) => void;

const BUNDLE = join(dirname(fileURLToPath(import.meta.url)), "service.cjs");
/** SHA-256 of the source, then V8's data. */
const KEPT_CODE = `${BUNDLE}.code`;
const DIGEST_BYTES = 32;

const source = readFileSync(BUNDLE);
const digest = createHash("sha256").update(source).digest();
const script = new Script(
  `(function (exports, require, module, __filename, __dirname) {${source}\n})`,
  { filename: BUNDLE, cachedData: keptCode() },
);
const bundle: { exports: { started?: Promise<void> } } = { exports: {} };
const run = script.runInThisContext() as ModuleFunction;
run(bundle.exports, createRequire(BUNDLE), bundle, BUNDLE, dirname(BUNDLE));

if (process.argv.includes("--keep-code")) {
  await bundle.exports.started;
  const written = `${KEPT_CODE}.${process.pid}`;
  writeFileSync(written, Buffer.concat([digest, script.createCachedData()]));
  renameSync(written, KEPT_CODE);
  process.kill(process.pid, "SIGTERM");
}

/** V8's data for just this source; undefined where there is none. */
function keptCode(): Buffer | undefined {
  try {
    const kept = readFileSync(KEPT_CODE);
    return kept.subarray(0, DIGEST_BYTES).equals(digest) ? kept.subarray(DIGEST_BYTES) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
