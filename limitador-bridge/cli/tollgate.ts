#!/usr/bin/env node
/** The command line: chooses a command and turns its errors into a message and an exit code. */
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { reachableHost } from "./address.ts";
import { renderBootstrap } from "./bootstrap.ts";
import { type CommandIo, isHelp } from "./command-io.ts";
import { estimate } from "./estimate.ts";
import { importCommand } from "./import-krakend.ts";
import { prices } from "./prices.ts";
import { reconcile } from "./reconcile.ts";
import { report } from "./report.ts";
import { store } from "./store.ts";
import { up } from "./up.ts";
import { apiPortsOf, readSettings } from "./up-settings.ts";

const USAGE = `usage: tollgate <command>

  up         run Envoy with the filter, the budget service and, without UPSTREAM, a simulator
  bootstrap  print the Envoy bootstrap that \`up\` would use
  prices     import, compare and list prices of models (tollgate prices help)
  estimate   what a request would cost, and whether it would be let through (… --help)
  report     what was spent, by team, app and model (tollgate report --help)
  reconcile  compare the ledger with the usage records (tollgate reconcile --help)
  store      copy a ledger to another store (tollgate store copy FROM TO)
  import     policies from another gateway's configuration (tollgate import --help)
  kubernetes policies from the objects of a cluster, and their status (… --help)

up and bootstrap read the variables of \`make up\` (make help) from the environment.`;

/** Of a simulator that runs by itself; see simulator/main.ts. */
const SIMULATOR_PORT = 8000;

async function bootstrap(env: NodeJS.ProcessEnv): Promise<number> {
  const settings = readSettings(env);
  const simulator = `http://127.0.0.1:${settings.simulatorPort ?? SIMULATOR_PORT}`;
  const upstream = settings.upstream ?? new URL(simulator);
  const rendered = renderBootstrap(await readFile(settings.template, "utf8"), {
    upstream,
    upstreamCa: settings.upstreamCa,
    proxyHost: settings.proxyHost,
    proxyPort: settings.proxyPort,
    adminHost: env.ADMIN_HOST || "127.0.0.1",
    adminPort: settings.adminPort,
    apiHost: env.API_HOST || reachableHost(settings.apiHost),
    // Services elsewhere have one name and one port.
    apiPorts: env.API_HOST ? [settings.apiPort] : apiPortsOf(settings),
    wasmPath: settings.wasm,
    token: settings.token,
  });
  process.stdout.write(rendered);
  return 0;
}

// A reader that has seen enough (`| head`) closes the pipe; that is no fault. What runs other
// processes is told, as when its terminal closes, and ends them first.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (!process.emit("SIGHUP", "SIGHUP")) process.exit(0);
});

const io: CommandIo = {
  env: process.env,
  stdout: (output) => process.stdout.write(output),
  stderr: (output) => process.stderr.write(output),
  read: (file) => (file === "-" ? text(process.stdin) : readFile(file, "utf8")),
};

/** A command that takes nothing but variables must not start on a word that it does not know. */
function withoutArguments(command: string, [first]: string[]): void {
  if (first === undefined) return;
  throw new Error(`${command}: expected no arguments but variables (make help), found "${first}"`);
}

async function run(command: string | undefined, args: string[]): Promise<number> {
  if (command === undefined || isHelp(command)) return tellUsage();
  if (command === "up" || command === "bootstrap") {
    if (args.some(isHelp)) return tellUsage();
    withoutArguments(command, args);
    return await (command === "up" ? up(process.env) : bootstrap(process.env));
  }
  if (command === "prices") return await prices(args, { ...io, nowMs: Date.now });
  if (command === "estimate") return await estimate(args, io);
  if (command === "report") return await report(args, io);
  if (command === "reconcile") return await reconcile(args, process.env);
  if (command === "store") return await store(args);
  if (command === "import") return await importCommand(args, io);
  if (command === "kubernetes") {
    // Its client library takes a second to load: the other commands do without.
    return await (await import("./kubernetes.ts")).kubernetes(args, io);
  }
  console.error(`tollgate: unknown command "${command}"\n\n${USAGE}`);
  return 2;
}

function tellUsage(): number {
  console.log(USAGE);
  return 0;
}

try {
  process.exitCode = await run(process.argv[2], process.argv.slice(3));
} catch (cause) {
  console.error(`tollgate: ${(cause as Error).message}`);
  process.exitCode = 1;
}
