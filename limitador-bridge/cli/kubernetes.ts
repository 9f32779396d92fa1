/** `tollgate kubernetes`: policies from the objects of a cluster, and their status back to it. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { KubeConfig } from "@kubernetes/client-node";
import { pino } from "pino";
import { KubernetesApi } from "../kubernetes/cluster-api.ts";
import { MIRROR_TIMES, mirrorCluster, mirrorOnce } from "../kubernetes/mirror-cluster.ts";
import { askService } from "../kubernetes/service-answer.ts";
import type { CommandIo } from "./command-io.ts";
import { CommandError, serviceOf } from "./service-call.ts";

export const KUBERNETES_USAGE = `usage: tollgate kubernetes --folder FOLDER [options]

Writes the cluster's TokenRateLimitPolicy, LLMBudget, Identity, PriceTable, ApiRoute and HTTPRoute
objects to FOLDER, as files that the budget service reads, follows every change, and writes the
status of LLMBudget, Identity, PriceTable and ApiRoute objects. Runs beside the service until it is
told to stop.

  --folder FOLDER    where the files go; files of other names in it stay as they are
  --policies FOLDER  the service's whole policy folder (POLICIES, else --folder)
  --namespace NAME   objects of this namespace only; without, those of all
  --once             write the files that a service could start with, and end
  --api URL          the budget service (TOLLGATE_API, else http://127.0.0.1:8080)

The cluster is that of the file KUBECONFIG, else the one that this runs in.`;

const SIGNALS = ["SIGTERM", "SIGINT"] as const;
const SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const OPTIONS = {
  folder: { type: "string" },
  policies: { type: "string" },
  namespace: { type: "string" },
  once: { type: "boolean", default: false },
  api: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/**
 * Mirrors until a signal, or once.
 * @returns exit code
 * @throws CommandError for what cannot be used, ClusterError where --once cannot list
 */
export async function kubernetes(args: string[], io: CommandIo): Promise<number> {
  const options = parse(args);
  if (options.help) {
    io.stdout(`${KUBERNETES_USAGE}\n`);
    return 0;
  }
  const { folder, namespace = null, once } = options;
  if (folder === undefined) throw new CommandError(`--folder: missing\n\n${KUBERNETES_USAGE}`);
  const service = serviceOf(options.api, io.env);
  const config = kubeConfig(io.env);
  await mkdir(folder, { recursive: true });
  const log = pino({ name: "tollgate-kubernetes", level: io.env.LOG_LEVEL || "info" });
  const parts = {
    api: new KubernetesApi(config, namespace),
    folder,
    policies: options.policies ?? (io.env.POLICIES || folder),
    log,
    nowMs: Date.now,
  };
  if (once) {
    log.info(await mirrorOnce(parts, MIRROR_TIMES), "written");
    return 0;
  }
  const end = new AbortController();
  const onSignal = () => end.abort();
  for (const signal of SIGNALS) process.once(signal, onSignal);
  try {
    log.info({ folder, namespace: namespace ?? "all", api: service.api }, "mirroring");
    await mirrorCluster({ ...parts, ask: () => askService(service.api) }, MIRROR_TIMES, end.signal);
    return 0;
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (cause) {
    throw new CommandError(`${(cause as Error).message}\n\n${KUBERNETES_USAGE}`);
  }
}

/** The library's own preset goes on with http://localhost:8080, which is the service's address. */
function kubeConfig(env: NodeJS.ProcessEnv): KubeConfig {
  const config = new KubeConfig();
  const file = env.KUBECONFIG || null;
  if (file === null) {
    if (!existsSync(SERVICE_ACCOUNT_TOKEN)) {
      throw new CommandError("no cluster: expected KUBECONFIG, or a pod with a service account");
    }
    config.loadFromCluster();
    return config;
  }
  try {
    config.loadFromFile(file);
  } catch (cause) {
    throw new CommandError(`KUBECONFIG "${file}": ${(cause as Error).message}`, { cause });
  }
  return config;
}
