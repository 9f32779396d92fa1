/** `tollgate import krakend`: KrakenD's quotas as policies, with what could not be carried over. */
import { parseArgs } from "node:util";
import { importKrakend } from "../import/krakend.ts";
import { remarkText } from "../import/source-file.ts";
import type { CommandIo } from "./command-io.ts";
import { CommandError } from "./service-call.ts";

const IMPORT_USAGE = `usage: tollgate import krakend [--gateway NAME] FILE

Prints the quotas of a KrakenD configuration (JSON or YAML; - for standard input) as policies.
What could not be translated, or counts otherwise, is told on standard error.

  --gateway NAME   the Gateway that the policies are for (api-gateway)

The exit code is 1 where nothing could be translated.`;

const OPTIONS = {
  gateway: { type: "string", default: "api-gateway" },
  help: { type: "boolean", default: false },
} as const;

/**
 * Prints the policies.
 * @returns exit code
 * @throws CommandError, ImportError
 */
export async function importCommand(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    io.stdout(`${IMPORT_USAGE}\n`);
    return 0;
  }
  const [from, file, ...rest] = positionals;
  if (from !== "krakend" || file === undefined || rest.length > 0) {
    throw new CommandError(IMPORT_USAGE);
  }
  const { yaml, policies, remarks } = importKrakend(await io.read(file), file, {
    gateway: values.gateway,
  });
  io.stdout(yaml);
  for (const remark of remarks) io.stderr(`${remarkText(file, remark)}\n`);
  io.stderr(`policies: ${policies}, remarks: ${remarks.length}\n`);
  return policies > 0 ? 0 : 1;
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new CommandError(`${(cause as Error).message}\n\n${IMPORT_USAGE}`);
  }
}
