/** Starts what a chain is made of; everything is ended by the pid that it was started with. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { renderBootstrap } from "../../limitador-bridge/cli/bootstrap.ts";
import { answers, type Running, start } from "../../limitador-bridge/cli/process.ts";
import { type Enforcement, policyFiles } from "./policy.ts";
import { freePort } from "./processes.ts";
import { PROJECT_ROOT, SERVICE } from "./project.ts";

const READY_DEADLINE_MS = 20_000;
const STOP_GRACE_MS = 5_000;
/** Nobody listens there. */
const NO_PORT = 1;
const TEMPLATE = join(PROJECT_ROOT, "envoy/bootstrap.yaml");

export interface ServiceOptions {
  /** More policy files, by name. */
  others?: Readonly<Record<string, string>>;
  name?: string;
}

/** The parts of one chain, in the order of their start. */
export class Stack {
  readonly parts: Running[] = [];
  private static readonly open = new Set<Stack>();
  private readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Stack> {
    const stack = new Stack(await mkdtemp(join(tmpdir(), "tollgate-bench-")));
    Stack.open.add(stack);
    return stack;
  }

  /** Ends what has not been ended yet: for a run that is broken off. */
  static async stopAll(): Promise<void> {
    for (const stack of Stack.open) await stack.stop();
  }

  /** A Redis server that keeps nothing on disk. Returns its URL. */
  async startRedis(): Promise<string> {
    const port = await freePort();
    const args = [
      "--port",
      String(port),
      "--bind",
      "127.0.0.1",
      "--save",
      "",
      "--dir",
      this.folder,
    ];
    await this.start("redis", "redis-server", [...args, "--logfile", "redis.log"], {});
    await this.accepts(port);
    return `redis://127.0.0.1:${port}`;
  }

  /**
   * The budget service. `store` null: an embedded store of its own; `others`: more policy files;
   * `name` tells it from another of the same stack. Returns its URL.
   */
  async startService(
    store: string | null,
    enforcement: Enforcement,
    { others = {}, name = "service" }: ServiceOptions = {},
  ): Promise<string> {
    const port = await freePort();
    const policies = join(this.folder, "policies");
    await mkdir(policies, { recursive: true });
    for (const [file, text] of Object.entries({ ...policyFiles(enforcement), ...others })) {
      await writeFile(join(policies, file), text);
    }
    const service = await this.start(name, process.execPath, [SERVICE], {
      API_PORT: String(port),
      STORE: store ?? `embedded:${join(this.folder, "store")}`,
      POLICIES: policies,
      JOURNAL: join(this.folder, `journal-${port}`),
      LOG_LEVEL: "error",
      API_TOKEN: "",
    });
    const url = `http://127.0.0.1:${port}`;
    await answers(service, `${url}/readyz`, READY_DEADLINE_MS);
    return url;
  }

  /** Envoy with one worker. Returns the URL that it listens on. */
  async startEnvoy(given: {
    envoy: string;
    upstreamPort: number;
    /** Of the services that are called in turn. */
    apiUrls: readonly string[];
    wasm: string;
    change: (bootstrap: string) => string;
  }): Promise<URL> {
    const proxyPort = await freePort();
    const adminPort = await freePort();
    const bootstrap = renderBootstrap(await readFile(TEMPLATE, "utf8"), {
      upstream: new URL(`http://127.0.0.1:${given.upstreamPort}`),
      upstreamCa: null,
      proxyHost: "127.0.0.1",
      proxyPort,
      adminHost: "127.0.0.1",
      adminPort,
      apiHost: "127.0.0.1",
      apiPorts: given.apiUrls.length === 0 ? [NO_PORT] : given.apiUrls.map(portOf),
      wasmPath: given.wasm,
      token: null,
    });
    const file = join(this.folder, "bootstrap.yaml");
    await writeFile(file, given.change(bootstrap));
    const args = ["-c", file, "--log-level", "error", "--use-dynamic-base-id"];
    const envoy = await this.start("envoy", given.envoy, [...args, "--concurrency", "1"], {});
    await answers(envoy, `http://127.0.0.1:${adminPort}/ready`, READY_DEADLINE_MS);
    return new URL(`http://127.0.0.1:${proxyPort}`);
  }

  /** Envoy first, then what it calls, then the store; the folder goes too. */
  async stop(): Promise<void> {
    for (const part of this.parts.splice(0).reverse()) await part.stop(STOP_GRACE_MS);
    Stack.open.delete(this);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Waits until the part that was started last takes connections. */
  private async accepts(port: number): Promise<void> {
    const part = this.parts.at(-1);
    const until = Date.now() + READY_DEADLINE_MS;
    while (!(await canConnect(port))) {
      if (part?.isRunning() && Date.now() < until) await sleep(20);
      else throw new Error(`${part?.name} does not take connections`);
    }
  }

  private async start(
    name: string,
    command: string,
    args: string[],
    env: Record<string, string>,
  ): Promise<Running> {
    const part = await start(name, command, args, { ...process.env, ...env });
    this.parts.push(part);
    return part;
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const told = (can: boolean) => {
      socket.destroy();
      resolve(can);
    };
    socket.once("connect", () => told(true));
    socket.once("error", () => told(false));
  });
}
