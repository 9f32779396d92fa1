/** The calls of the API server that are needed here, over @kubernetes/client-node. */
import {
  ApiException,
  CustomObjectsApi,
  createConfiguration,
  type KubeConfig,
  PatchStrategy,
  ServerConfiguration,
  setHeaderOptions,
  Watch,
} from "@kubernetes/client-node";
import { asClusterObject, type ClusterObject } from "./cluster-object.ts";
import type { MirroredKind } from "./kinds.ts";

/** A call that the API server refused, or that did not reach it. */
export class ClusterError extends Error {
  /** HTTP status; null: there was no answer. */
  readonly status: number | null;

  constructor(message: string, status: number | null) {
    super(message);
    this.status = status;
  }
}

export interface ListedObjects {
  objects: ClusterObject[];
  resourceVersion: string;
  /** Whether the kind has a status subresource. */
  hasStatus: boolean;
}

export type WatchEvent =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: ClusterObject; resourceVersion: string }
  | { type: "BOOKMARK"; resourceVersion: string };

/** All calls reject with a ClusterError. */
export interface ClusterApi {
  /** All objects of a kind; null: the cluster does not know the kind. */
  list(kind: MirroredKind): Promise<ListedObjects | null>;
  /**
   * Tells what changes after a version; resolves when the stream ends, also by the signal.
   * A version that is forgotten already rejects with status 410.
   */
  watch(
    kind: MirroredKind,
    resourceVersion: string,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Writes a merge patch (RFC 7386) to the status subresource; gives the object as it is then. */
  patchStatus(kind: MirroredKind, object: ClusterObject, patch: object): Promise<ClusterObject>;
}

const CALL_TIMEOUT_MS = 30_000;
/** The server ends a watch after this; one that it does not end has lost its connection. */
const WATCH_SECONDS = 300;
const WATCH_GRACE_SECONDS = 30;
const NOT_FOUND = 404;
const GONE = 410;

function messageOf(body: unknown): string {
  try {
    const parsed: unknown = typeof body === "string" ? JSON.parse(body) : body;
    const { message } = parsed as { message?: unknown };
    if (typeof message === "string") return message;
  } catch {
    // Not a Status of the API server: a proxy's page. Its beginning says more than nothing.
  }
  return String(body).slice(0, 200);
}

function clusterError(what: string, error: unknown): ClusterError {
  if (error instanceof ApiException) {
    return new ClusterError(`${what}: ${error.code} ${messageOf(error.body)}`, error.code);
  }
  const { message, statusCode = null } = error as Error & { statusCode?: number };
  const text = statusCode === null ? message : `${statusCode} ${message}`;
  return new ClusterError(`${what}: ${text}`, statusCode);
}

/** A client whose calls end after a time: the library sets no limit. */
function timedClient(config: KubeConfig): CustomObjectsApi {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new ClusterError("the kubeconfig names no cluster", null);
  return new CustomObjectsApi(
    createConfiguration({
      baseServer: new ServerConfiguration(server, {}),
      authMethods: {
        default: {
          getName: () => config.getName(),
          async applySecurityAuthentication(request) {
            request.setSignal(AbortSignal.timeout(CALL_TIMEOUT_MS));
            await config.applySecurityAuthentication(request);
          },
        },
      },
    }),
  );
}

function versionOf(value: unknown): string {
  const version = (value as { metadata?: { resourceVersion?: unknown } } | null)?.metadata
    ?.resourceVersion;
  return typeof version === "string" ? version : "";
}

/** An event of the stream; null: of no use. Throws where the server says that it goes wrong. */
function eventOf(what: string, type: string, value: unknown): WatchEvent | null {
  const resourceVersion = versionOf(value);
  if (type === "ERROR") {
    const { code = null } = value as { code?: number };
    throw new ClusterError(`${what}: ${code ?? ""} ${messageOf(value)}`, code);
  }
  if (type === "BOOKMARK") return { type, resourceVersion };
  const object = asClusterObject(value);
  if (object === null) return null;
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") return null;
  return { type, object, resourceVersion };
}

/** The API server of a kubeconfig, or of the cluster that this runs in. */
export class KubernetesApi implements ClusterApi {
  readonly #config: KubeConfig;
  readonly #objects: CustomObjectsApi;
  readonly #namespace: string | null;

  /** @param namespace whose objects are listed and watched; null: those of all namespaces */
  constructor(config: KubeConfig, namespace: string | null) {
    this.#config = config;
    this.#objects = timedClient(config);
    this.#namespace = namespace;
  }

  async list({ group, version, plural }: MirroredKind): Promise<ListedObjects | null> {
    const namespace = this.#namespace;
    try {
      const { resources } = await this.#objects.getAPIResources({ group, version });
      const names = new Set(resources.map(({ name }) => name));
      if (!names.has(plural)) return null;
      const where = { group, version, plural };
      const list: { items?: unknown[] } = await (namespace === null
        ? this.#objects.listCustomObjectForAllNamespaces(where)
        : this.#objects.listNamespacedCustomObject({ ...where, namespace }));
      return {
        objects: (list.items ?? []).flatMap((item) => asClusterObject(item) ?? []),
        resourceVersion: versionOf(list),
        hasStatus: names.has(`${plural}/status`),
      };
    } catch (error) {
      const failure = clusterError(`listing ${plural}.${group}`, error);
      if (failure.status === NOT_FOUND) return null;
      throw failure;
    }
  }

  async watch(
    { group, version, plural }: MirroredKind,
    resourceVersion: string,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const what = `watching ${plural}.${group}`;
    const scope =
      this.#namespace === null ? "" : `namespaces/${encodeURIComponent(this.#namespace)}/`;
    const query = { resourceVersion, allowWatchBookmarks: true, timeoutSeconds: WATCH_SECONDS };
    const deadline = AbortSignal.timeout((WATCH_SECONDS + WATCH_GRACE_SECONDS) * 1000);
    const ends = AbortSignal.any([signal, deadline]);
    if (signal.aborted) return;
    let stop = () => {};
    await new Promise<void>((resolve, reject) => {
      ends.addEventListener("abort", () => resolve(), { once: true });
      const take = (type: string, value: unknown) => {
        // The library drops what is thrown here.
        try {
          const event = eventOf(what, type, value);
          if (event !== null) onEvent(event);
        } catch (error) {
          reject(error);
        }
      };
      const done = (error: unknown) => {
        if (error === null || error === undefined) resolve();
        else reject(clusterError(what, error));
      };
      new Watch(this.#config)
        .watch(`/apis/${group}/${version}/${scope}${plural}`, query, take, done)
        .then((controller) => {
          stop = () => controller.abort();
          if (ends.aborted) stop();
        }, done);
    }).finally(() => stop());
  }

  async patchStatus(
    { kind, group, version, plural }: MirroredKind,
    { metadata: { namespace, name } }: ClusterObject,
    patch: object,
  ): Promise<ClusterObject> {
    const where = { group, version, namespace, plural, name };
    const what = `writing the status of ${kind} ${namespace}/${name}`;
    const options = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
    try {
      const request = this.#objects.patchNamespacedCustomObjectStatus(
        { ...where, body: patch },
        options,
      );
      const object = asClusterObject(await request);
      if (object === null) throw new Error("the answer is no object");
      return object;
    } catch (error) {
      throw clusterError(what, error);
    }
  }
}

/** Whether a watch has to begin with a new list: its version is forgotten, or the kind is gone. */
export function needsList(error: unknown): boolean {
  return error instanceof ClusterError && (error.status === GONE || error.status === NOT_FOUND);
}
