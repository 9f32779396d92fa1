/** `tollgate kubernetes` between a fake API server, a folder and a fake budget service. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KubeConfig } from "@kubernetes/client-node";
import { SERVICE_KINDS } from "../../../limitador-bridge/admission/price-source.ts";
import { KubernetesApi } from "../../../limitador-bridge/kubernetes/cluster-api.ts";
import {
  type MirrorTimes,
  mirrorCluster,
} from "../../../limitador-bridge/kubernetes/mirror-cluster.ts";
import { askService } from "../../../limitador-bridge/kubernetes/service-answer.ts";
import { type LoadedPolicies, loadPolicies } from "../../../limitador-bridge/policy/load.ts";
import { FakeApiServer } from "./fake-api-server.ts";

/** As in a cluster, but for the waiting. */
const TIMES: MirrorTimes = {
  retryMs: 10,
  maxRetryMs: 80,
  lookAgainMs: 50,
  statusMs: 40,
  settleMs: 100,
};
const WAIT_MS = 5_000;

/** Waits until something is so. */
export async function until(what: () => boolean): Promise<void> {
  const endMs = Date.now() + WAIT_MS;
  while (!what()) {
    if (Date.now() > endMs) throw new Error(`not within ${WAIT_MS} ms: ${what}`);
    await sleep(5);
  }
}

/** Answers as the budget service does, from the files that are in the folder at that moment. */
class FakeService {
  /** nano-USD by namespace/name of the budget. */
  readonly spent = new Map<string, number>();
  /** It runs, but gives no answer of use. */
  isSick = false;
  #server: Server | null = null;
  #port = 0;
  #loaded: LoadedPolicies | undefined;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Begins on the port that it had; with no policies in force, like a new process. */
  async start(): Promise<void> {
    this.#loaded = undefined;
    const server = createServer(async (request, response) => {
      if (this.isSick) {
        response.writeHead(500).end("sick");
        return;
      }
      const previous = this.#loaded === undefined ? {} : { previous: this.#loaded };
      const loaded = await loadPolicies(this.#folder, { kinds: SERVICE_KINDS, ...previous });
      this.#loaded = loaded;
      const budgets = [...this.spent].map(([policy, spentNanoUsd]) => ({
        policy,
        spentNanoUsd,
        utilization: 0.25,
      }));
      const isBudgets = request.url === "/v1/budgets";
      response.end(JSON.stringify(isBudgets ? { budgets } : { policies: loaded.set.status() }));
    });
    await new Promise<void>((done) => server.listen(this.#port, "127.0.0.1", done));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((done) => this.#server?.close(done) ?? done(null));
    this.#server = null;
  }
}

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

export class RunningMirror {
  readonly cluster: FakeApiServer;
  readonly folder = mkdtempSync(join(tmpdir(), "tollgate-mirror-"));
  readonly mirrored = join(this.folder, "cluster");
  readonly kubeConfig = join(this.folder, "kubeconfig");
  readonly service = new FakeService(this.folder);
  readonly log: LogLine[] = [];
  #end = new AbortController();
  #running: Promise<void> = Promise.resolve();

  /** The mirror as it runs is begun by start(); the service of `url` is there from the start. */
  constructor(...plurals: string[]) {
    this.cluster = new FakeApiServer(...plurals);
  }

  async open(): Promise<void> {
    await this.cluster.start();
    await this.service.start();
    this.cluster.writeKubeConfig(this.kubeConfig);
  }

  start(namespace: string | null = null): void {
    const config = new KubeConfig();
    config.loadFromFile(this.kubeConfig);
    const write = (level: string) => (fields: object, message: string) =>
      void this.log.push({ level, message, fields: { ...fields } });
    const parts = {
      api: new KubernetesApi(config, namespace),
      folder: this.mirrored,
      policies: this.folder,
      log: { info: write("info"), warn: write("warn"), error: write("error") },
      nowMs: Date.now,
      ask: () => askService(this.service.url),
    };
    this.#end = new AbortController();
    this.#running = mirrorCluster(parts, TIMES, this.#end.signal);
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.cluster.stop();
    await this.service.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** As the service would see them: without those that are just being written. */
  files(): string[] {
    if (!existsSync(this.mirrored)) return [];
    return readdirSync(this.mirrored)
      .filter((name) => name.endsWith(".yaml"))
      .sort();
  }

  spec(file: string): unknown {
    return JSON.parse(readFileSync(join(this.mirrored, basename(file)), "utf8")).spec;
  }
}
