/**
 * As much of a Kubernetes API server as `tollgate kubernetes` talks to: discovery, lists, watches
 * as chunked streams of lines, merge patches (RFC 7386) of the status subresource.
 */
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { ClusterObject } from "../../../limitador-bridge/kubernetes/cluster-object.ts";
import { MIRRORED_KINDS, type MirroredKind } from "../../../limitador-bridge/kubernetes/kinds.ts";

const SCOPE = "/apis/(?<group>[^/]+)/(?<version>[^/]+)(?:/namespaces/(?<namespace>[^/]+))?";
const PATH = new RegExp(`^${SCOPE}(?:/(?<plural>[^/]+))?(?:/(?<name>[^/]+)/status)?$`);

export interface Patch {
  path: string;
  contentType: string;
  body: unknown;
}

type Json = Record<string, unknown>;
type Event = { type: string; object: unknown };

interface Stream {
  plural: string;
  namespace: string | undefined;
  response: ServerResponse;
}

/** RFC 7386 section 2. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const whole: Json = typeof target === "object" && target !== null ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete whole[key];
    else whole[key] = merged(whole[key], value);
  }
  return whole;
}

export class FakeApiServer {
  /** Requests as `GET /path?query`, watches among them. */
  readonly requests: string[] = [];
  readonly patches: Patch[] = [];
  /** Plurals whose CRD is installed, and whether with a status subresource. */
  readonly installed = new Map<string, { hasStatus: boolean }>();
  /** Answers the next requests whose line holds the text with this status. */
  readonly refusals: { line: string; status: number }[] = [];
  readonly #objects = new Map<string, ClusterObject>();
  readonly #streams = new Set<Stream>();
  #port = 0;
  #version = 100;
  /** Events of versions before this are forgotten. */
  #oldest = 0;
  readonly #history: { version: number; plural: string; event: Event }[] = [];
  readonly #server: Server = createServer((request, response) => {
    this.#answer(request, response).catch((error: Error) => response.destroy(error));
  });

  constructor(...plurals: string[]) {
    for (const plural of plurals) this.installed.set(plural, { hasStatus: true });
  }

  /** Begins on a free port; after a stop on the same again. */
  async start(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(this.#port, "127.0.0.1", done));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#streams.clear();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  /** Writes a kubeconfig that leads here. */
  writeKubeConfig(file: string): void {
    // The library takes http only so.
    const cluster = { server: `http://127.0.0.1:${this.#port}`, "insecure-skip-tls-verify": true };
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "c", cluster }],
        users: [{ name: "u", user: { token: "a-token" } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
  }

  /** Creates an object, or replaces its spec; tells the watches. */
  apply(plural: string, namespace: string, name: string, spec: unknown): void {
    const key = `${plural}/${namespace}/${name}`;
    const known = this.#objects.get(key);
    const { group, version, kind } = kindOf(plural);
    const object = {
      ...known,
      apiVersion: `${group}/${version}`,
      kind,
      metadata: {
        ...(known?.metadata ?? {
          creationTimestamp: `2026-11-01T00:00:${this.#objects.size + 10}Z`,
        }),
        name,
        namespace,
        generation: (known?.metadata.generation ?? 0) + 1,
        managedFields: [{ manager: "kubectl" }],
      },
      spec,
    };
    this.#set(key, known === undefined ? "ADDED" : "MODIFIED", object);
  }

  remove(plural: string, namespace: string, name: string): void {
    const key = `${plural}/${namespace}/${name}`;
    const object = this.#objects.get(key) as ClusterObject;
    this.#objects.delete(key);
    this.#tell(key, { type: "DELETED", object: this.#stamped(object) });
  }

  object(plural: string, namespace: string, name: string): ClusterObject {
    return this.#objects.get(`${plural}/${namespace}/${name}`) as ClusterObject;
  }

  /** Ends the watches as the server does when their time is over; the count of those. */
  endWatches(plural: string): number {
    const ended = this.#watches(plural);
    for (const stream of ended) {
      this.#streams.delete(stream);
      stream.response.end();
    }
    return ended.length;
  }

  /** Breaks the connections of the watches. */
  breakWatches(plural: string): void {
    for (const stream of this.#watches(plural)) {
      this.#streams.delete(stream);
      stream.response.destroy();
    }
  }

  watches(plural: string): number {
    return this.#watches(plural).length;
  }

  /** Forgets all that has been: watches of earlier versions get 410. */
  compact(): void {
    this.#version += 1;
    this.#oldest = this.#version;
  }

  #watches(plural: string): Stream[] {
    return [...this.#streams].filter((stream) => stream.plural === plural);
  }

  #stamped(object: ClusterObject): ClusterObject {
    this.#version += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.#version) };
    return { ...object, metadata };
  }

  #set(key: string, type: string, object: ClusterObject): ClusterObject {
    const stamped = this.#stamped(object);
    this.#objects.set(key, stamped);
    this.#tell(key, { type, object: stamped });
    return stamped;
  }

  #tell(key: string, event: Event): void {
    const [plural = "", namespace] = key.split("/");
    this.#history.push({ version: this.#version, plural, event });
    for (const stream of this.#watches(plural)) {
      if (stream.namespace !== undefined && stream.namespace !== namespace) continue;
      stream.response.write(`${JSON.stringify(event)}\n`);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://fake");
    const line = `${request.method} ${url.pathname}${url.search}`;
    this.requests.push(line);
    const refusal = this.refusals.findIndex((each) => line.includes(each.line));
    if (refusal >= 0) {
      const [{ status } = { status: 500 }] = this.refusals.splice(refusal, 1);
      return sendStatus(response, status, "refused by the test");
    }
    const { group, version, namespace, plural, name } = PATH.exec(url.pathname)?.groups ?? {};
    if (plural === undefined) return this.#discover(response, `${group}/${version}`);
    const installed = this.installed.get(plural);
    const isStatus = name !== undefined;
    if (installed === undefined || (isStatus && !installed.hasStatus)) {
      return sendStatus(response, 404, "the server could not find the requested resource");
    }
    if (isStatus) return await this.#patch(request, response, `${plural}/${namespace}/${name}`);
    if (url.searchParams.get("watch") === "true") {
      return this.#watch(response, { plural, namespace, response }, url.searchParams);
    }
    this.#list(response, plural, namespace);
  }

  #discover(response: ServerResponse, groupVersion: string): void {
    const kinds = MIRRORED_KINDS.filter(
      ({ group, version, plural }) =>
        `${group}/${version}` === groupVersion && this.installed.has(plural),
    );
    if (kinds.length === 0) {
      sendStatus(response, 404, "404 page not found");
      return;
    }
    const resources = kinds.flatMap(({ plural, kind }) => [
      { name: plural, kind, namespaced: true, singularName: "", verbs: ["list"] },
      ...(this.installed.get(plural)?.hasStatus
        ? [{ name: `${plural}/status`, kind, namespaced: true, singularName: "", verbs: ["patch"] }]
        : []),
    ]);
    sendJson(response, 200, { kind: "APIResourceList", groupVersion, resources });
  }

  #list(response: ServerResponse, plural: string, namespace: string | undefined): void {
    const prefix = namespace === undefined ? `${plural}/` : `${plural}/${namespace}/`;
    const items = [...this.#objects].flatMap(([key, object]) =>
      key.startsWith(prefix) ? [object] : [],
    );
    const metadata = { resourceVersion: String(this.#version) };
    sendJson(response, 200, { kind: "List", apiVersion: "v1", metadata, items });
  }

  #watch(response: ServerResponse, stream: Stream, query: URLSearchParams): void {
    const since = Number(query.get("resourceVersion"));
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (since < this.#oldest) {
      const object = { kind: "Status", code: 410, message: `too old resource version: ${since}` };
      response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
      return;
    }
    for (const { version, plural, event } of this.#history) {
      if (version > since && plural === stream.plural) response.write(`${JSON.stringify(event)}\n`);
    }
    this.#streams.add(stream);
    response.on("close", () => this.#streams.delete(stream));
  }

  async #patch(request: IncomingMessage, response: ServerResponse, key: string): Promise<void> {
    const body = JSON.parse(await text(request)) as Json;
    const contentType = request.headers["content-type"] ?? "";
    this.patches.push({ path: request.url ?? "", contentType, body });
    const object = this.#objects.get(key);
    if (object === undefined) return sendStatus(response, 404, "not found");
    const status = merged(object.status, body.status) as Json;
    sendJson(response, 200, this.#set(key, "MODIFIED", { ...object, status }));
  }
}

function kindOf(plural: string): MirroredKind {
  return MIRRORED_KINDS.find((kind) => kind.plural === plural) as MirroredKind;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function sendStatus(response: ServerResponse, code: number, message: string): void {
  sendJson(response, code, { kind: "Status", status: "Failure", code, message });
}
