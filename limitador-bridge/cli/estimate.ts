/** `tollgate estimate`: what a request would cost and be told, before it is sent. */
import { parseArgs } from "node:util";
import type { CommandIo } from "./command-io.ts";
import { type EstimateAnswer, estimateText } from "./estimate-text.ts";
import { CommandError, callService, serviceOf } from "./service-call.ts";

const ESTIMATE_USAGE = `usage: tollgate estimate [options] FILE

Prints tokens, cost and verdict of the request body in FILE (- for standard input). Nothing is
sent to a provider and nothing is reserved.

  --path PATH            of the request (/v1/chat/completions)
  --header 'NAME: VALUE' a request header that policies read; more than once
  --attributes JSON      what else Envoy would tell, e.g. '{"auth": …}' as in /v1/admit
  --json                 the answer as it is
  --api URL              the budget service (TOLLGATE_API, else http://127.0.0.1:8080)

The exit code is 3 where the request would be refused.`;

const EXIT_REFUSED = 3;
const OPTIONS = {
  path: { type: "string", default: "/v1/chat/completions" },
  header: { type: "string", multiple: true, default: [] as string[] },
  attributes: { type: "string" },
  json: { type: "boolean", default: false },
  api: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/**
 * Prints the estimate.
 * @returns exit code
 * @throws CommandError
 */
export async function estimate(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    io.stdout(`${ESTIMATE_USAGE}\n`);
    return 0;
  }
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new CommandError(ESTIMATE_USAGE);
  const service = serviceOf(values.api, io.env);
  const request = {
    path: values.path,
    body: await io.read(file),
    headers: headersOf(values.header),
    ...(values.attributes === undefined ? {} : { attributes: attributesOf(values.attributes) }),
  };
  const init = { method: "POST", body: JSON.stringify(request) };
  const text = await callService(service, "/v1/estimate", init);
  const answer = JSON.parse(text) as EstimateAnswer;
  io.stdout(values.json ? `${JSON.stringify(answer, null, 2)}\n` : estimateText(answer));
  return answer.verdict === "allow" ? 0 : EXIT_REFUSED;
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new CommandError(`${(cause as Error).message}\n\n${ESTIMATE_USAGE}`);
  }
}

function headersOf(lines: readonly string[]): Record<string, string> {
  const headers = lines.map((line) => {
    const [, name, value] = /^([^\s:]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new CommandError(`--header: expected "name: value", found "${line}"`);
    }
    return [name.toLowerCase(), value];
  });
  return Object.fromEntries(headers);
}

function attributesOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CommandError(`--attributes: not JSON: ${(cause as Error).message}`);
  }
}
