/**
 * An LLM provider that can be predicted: OpenAI chat completions, completions and embeddings,
 * Anthropic messages, JSON and SSE, under any path prefix. It keeps the bill that a provider
 * would send, so that what Tollgate counted can be compared with the truth.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { anthropicCount, anthropicMessage } from "./anthropic.ts";
import { Bill } from "./bill.ts";
import { deliver } from "./delivery.ts";
import { type ErrorShape, errorBody } from "./errors.ts";
import { type Body, type Compose, RequestError, type Stamp } from "./exchange.ts";
import { chatCompletion } from "./openai-chat.ts";
import { embeddings, textCompletion } from "./openai-text.ts";
import { readSettings, SettingError, type SimulatorSettings } from "./settings.ts";

export interface Simulator {
  port: number;
  bill: Bill;
  /** Ends all connections; resolves when the port is free. */
  close: () => Promise<void>;
}

interface Route {
  suffix: string;
  shape: ErrorShape;
  compose: Compose;
}

/** First match wins: chat before plain completions. */
const ROUTES: Route[] = [
  { suffix: "/chat/completions", shape: "openai", compose: chatCompletion },
  { suffix: "/completions", shape: "openai", compose: textCompletion },
  { suffix: "/embeddings", shape: "openai", compose: embeddings },
  { suffix: "/messages/count_tokens", shape: "anthropic", compose: anthropicCount },
  { suffix: "/messages", shape: "anthropic", compose: anthropicMessage },
];

const MAX_BODY_BYTES = 128 * 1024 * 1024;
/** A proxy keeps its connections; closing them first would lose requests in a race. */
const KEEP_ALIVE_MS = 600_000;
const FIXED_TIME_S = 1_700_000_000;
const JSON_TYPE = { "content-type": "application/json" };
const MODELS = JSON.stringify({
  object: "list",
  data: ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "text-embedding-3-small"].map((id) => ({
    id,
    object: "model",
    created: FIXED_TIME_S,
    owned_by: "simulator",
  })),
});

/** Starts the simulator; `port` 0 takes a free one. Rejects when it cannot listen. */
export async function startSimulator(given: { host: string; port: number }): Promise<Simulator> {
  const bill = new Bill();
  const nextId = idSource();
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => {
    handle(req, res, { bill, id: nextId() }).catch((error: unknown) => {
      sendError(res, "openai", failureOf(error), "internal");
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(given.port, given.host, 4096, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    bill,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function handle(
  req: IncomingMessage,
  res: ServerResponse,
  { bill, id }: { bill: Bill; id: string },
): Promise<void> {
  const path = (req.url ?? "/").split("?", 1)[0] as string;
  if (req.method === "GET" || req.method === "DELETE") {
    answerPlain(req.method, path, res, bill);
    return;
  }
  const route = ROUTES.find((each) => path.endsWith(each.suffix));
  const shape = route?.shape ?? "openai";
  const text = await readBody(req);
  if (text === "gone") return;
  try {
    if (route === undefined || req.method !== "POST") throw notFound(req.method, path);
    const settings = readSettings(req.headers);
    if (settings.status !== null) {
      throw new RequestError(`The simulator was asked for status ${settings.status}.`, {
        status: settings.status,
      });
    }
    await exchange(res, route, parseBody(text), { settings, bill, id, user: userOf(req) });
  } catch (error) {
    bill.addError();
    sendError(res, shape, failureOf(error), id);
  }
}

async function exchange(
  res: ServerResponse,
  route: Route,
  body: Body,
  given: { settings: SimulatorSettings; bill: Bill; id: string; user: string | null },
): Promise<void> {
  const { settings, bill } = given;
  const answer = route.compose(body, settings, stampOf(settings, given.id));
  const idHeader = route.shape === "anthropic" ? "request-id" : "x-request-id";
  const delivered = await deliver(res, answer, settings, {
    [idHeader]: `req_${given.id}`,
    "cache-control": "no-cache",
  });
  bill.add({
    model: answer.model,
    user: given.user,
    inputTokens: answer.inputTokens,
    outputTokens: Math.min(delivered.outputTokens, answer.outputTokens),
    aborted: delivered.aborted,
  });
}

function answerPlain(method: string, path: string, res: ServerResponse, bill: Bill): void {
  if (path === "/simulator/bill") {
    if (method === "DELETE") bill.reset();
    sendJson(res, 200, JSON.stringify(bill.view()));
  } else if (method === "GET" && path === "/healthz") {
    sendJson(res, 200, '{"status":"ok"}');
  } else if (method === "GET" && path.endsWith("/models")) {
    sendJson(res, 200, MODELS);
  } else {
    sendError(res, "openai", notFound(method, path), "none");
  }
}

/** The request body as text, or "gone" when the client left before its end. */
async function readBody(req: IncomingMessage): Promise<{ text: string } | "too large" | "gone"> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of req) {
      length += (part as Buffer).length;
      if (length <= MAX_BODY_BYTES) parts.push(part as Buffer);
    }
  } catch {
    return "gone";
  }
  return length > MAX_BODY_BYTES ? "too large" : { text: Buffer.concat(parts).toString("utf8") };
}

function parseBody(given: { text: string } | "too large"): Body {
  if (given === "too large") {
    throw new RequestError(`The body is larger than ${MAX_BODY_BYTES} bytes.`, { status: 413 });
  }
  let body: unknown;
  try {
    body = JSON.parse(given.text);
  } catch {
    throw new RequestError("We could not parse the JSON body of your request.", {
      type: "invalid_request_error",
    });
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Body;
  throw new RequestError("The body must be a JSON object.", { type: "invalid_request_error" });
}

function failureOf(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof SettingError) return new RequestError(error.message);
  return new RequestError(`The simulator failed: ${String(error)}`, { status: 500 });
}

function notFound(method: string | undefined, path: string): RequestError {
  return new RequestError(`Invalid URL (${method} ${path})`, { status: 404 });
}

function sendError(res: ServerResponse, shape: ErrorShape, error: RequestError, id: string): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const retry = error.status === 429 || error.status === 503;
  sendJson(res, error.status, errorBody(shape, error, id), retry ? { "retry-after": "1" } : {});
}

function sendJson(
  res: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  const length = { "content-length": Buffer.byteLength(text) };
  res.writeHead(status, { ...JSON_TYPE, ...headers, ...length });
  res.end(text);
}

function userOf(req: IncomingMessage): string | null {
  const user = req.headers["x-user"];
  return typeof user === "string" ? user : null;
}

function stampOf(settings: SimulatorSettings, id: string): Stamp {
  if (settings.id !== null) return { id: settings.id, createdS: FIXED_TIME_S };
  return { id, createdS: Math.floor(Date.now() / 1000) };
}

/** Ids as long as real ones; the first part differs between runs. */
function idSource(): () => string {
  const run = Date.now().toString(36).padStart(12, "0");
  let count = 0;
  return () => {
    count += 1;
    return run + count.toString(36).padStart(12, "0");
  };
}
