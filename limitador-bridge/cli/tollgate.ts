#!/usr/bin/env node
/** The command line: chooses a command and turns its errors into a message and an exit code. */
import { readFile } from "node:fs/promises";
import { renderBootstrap } from "./bootstrap.ts";
import { up } from "./up.ts";
import { readSettings } from "./up-settings.ts";

const USAGE = `usage: tollgate <command>

  up         run Envoy with the filter, the budget service and, without UPSTREAM, a simulator
  bootstrap  print the Envoy bootstrap that \`up\` would use

Both read the variables of \`make up\` (make help) from the environment.`;

async function bootstrap(env: NodeJS.ProcessEnv): Promise<number> {
  const settings = readSettings(env);
  const upstream = settings.upstream ?? new URL(`http://127.0.0.1:${settings.simulatorPort}`);
  const text = renderBootstrap(await readFile(settings.template, "utf8"), {
    upstream,
    proxyHost: settings.proxyHost,
    proxyPort: settings.proxyPort,
    adminHost: env.ADMIN_HOST || "127.0.0.1",
    adminPort: settings.adminPort,
    apiHost: env.API_HOST || "127.0.0.1",
    apiPorts: [settings.apiPort],
    wasmPath: settings.wasm,
    token: env.API_TOKEN ?? "",
  });
  process.stdout.write(text);
  return 0;
}

async function run(command: string | undefined): Promise<number> {
  if (command === "up") return await up(process.env);
  if (command === "bootstrap") return await bootstrap(process.env);
  console.error(USAGE);
  return command === undefined || command === "help" ? 0 : 2;
}

try {
  process.exitCode = await run(process.argv[2]);
} catch (cause) {
  console.error(`tollgate: ${(cause as Error).message}`);
  process.exitCode = 1;
}
