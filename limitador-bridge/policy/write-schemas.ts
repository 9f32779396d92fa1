/**
 * Writes the JSON schemas of the policy kinds: `node dist/policy/write-schemas.js [folder]`.
 * The files are checked in, so that editors can complete and check policies.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { POLICY_KINDS } from "./kinds/registry.ts";

const folder = process.argv[2] ?? "policies/schema";
await mkdir(folder, { recursive: true });
for (const { kind, apiVersion, schema } of POLICY_KINDS) {
  if (schema === undefined) continue;
  const draft = "https://json-schema.org/draft/2020-12/schema";
  const text = JSON.stringify(
    { $schema: draft, title: `${kind} (${apiVersion})`, ...schema },
    null,
    2,
  );
  await writeFile(join(folder, `${kind.toLowerCase()}.json`), `${text}\n`);
}
