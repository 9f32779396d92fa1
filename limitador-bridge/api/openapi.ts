/** The OpenAPI 3.1 document, made of the same schemas that requests are validated with. */
import type { FastifyContextConfig, FastifyInstance, RouteOptions } from "fastify";
import type { TObject, TSchema } from "typebox";
import { ErrorBody } from "../errors.ts";

declare module "fastify" {
  interface FastifySchema {
    summary?: string;
  }
  interface FastifyContextConfig {
    /** True: the call needs the bearer token, where one is configured. */
    bearer?: boolean;
    /** Content type of the 200 answer, where it is not JSON. */
    contentType?: string;
    /** Further content types that the 200 answer may have, each with what it is. */
    otherTypes?: Record<string, TSchema>;
    /** Headers of the 200 answer, each with what it says. */
    headers?: Record<string, string>;
    /** Another form that the request body may have. */
    otherBody?: TSchema;
  }
}

const OPENAPI_VERSION = "3.1.0";
const JSON_TYPE = "application/json";
/** As routes have it: /v1/budgets/:team */
const PATH_PARAMETER = /:(\w+)/g;

/** The methods of every path, for the document and for 405. */
export type RouteTable = Map<string, Map<string, RouteOptions>>;

/** Collects every route that is registered after this call. */
export function collectRoutes(app: FastifyInstance): RouteTable {
  const table: RouteTable = new Map();
  app.addHook("onRoute", (route) => {
    const methods = table.get(route.url) ?? new Map<string, RouteOptions>();
    for (const method of [route.method].flat()) methods.set(method, route);
    table.set(route.url, methods);
  });
  return table;
}

/** Registers GET /openapi.json. */
export function registerOpenApi(app: FastifyInstance, table: RouteTable, version: string): void {
  let document: object | undefined;
  const schema = { summary: "This document", response: { 200: {} } };
  app.get("/openapi.json", { schema }, async () => {
    document ??= openApiDocument(table, version);
    return document;
  });
}

function openApiDocument(table: RouteTable, version: string): object {
  const paths = Object.fromEntries(
    [...table].map(([path, methods]) => [
      path.replace(PATH_PARAMETER, "{$1}"),
      Object.fromEntries(
        [...methods]
          .filter(([method]) => method !== "HEAD")
          .map(([method, route]) => [method.toLowerCase(), operation(method, path, route)]),
      ),
    ]),
  );
  return {
    openapi: OPENAPI_VERSION,
    info: {
      title: "Tollgate budget service",
      version,
      description: "Token and cost limits for LLM traffic: decisions, settlements, usage.",
    },
    paths,
    components: {
      schemas: { Error: ErrorBody },
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    },
  };
}

function operation(method: string, path: string, route: RouteOptions): object {
  const { summary, body, params, querystring, response } = route.schema ?? {};
  const { otherBody } = route.config ?? {};
  const bodySchema = otherBody === undefined ? body : { anyOf: [body, otherBody] };
  return {
    operationId: operationId(method, path),
    summary: summary ?? "",
    ...withParameters([
      ...(params === undefined ? [] : parameters("path", params as TObject)),
      ...(querystring === undefined ? [] : parameters("query", querystring as TObject)),
    ]),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { [JSON_TYPE]: { schema: bodySchema } } } }),
    // An empty requirement beside the other: a token is only asked for where one is configured.
    ...(route.config?.bearer ? { security: [{ bearer: [] }, {}] } : {}),
    responses: responses((response ?? {}) as Record<string, TSchema>, route.config ?? {}),
  };
}

/** GET /v1/filter-config → getV1FilterConfig */
function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return (
    method.toLowerCase() + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join("")
  );
}

function withParameters(all: object[]): { parameters?: object[] } {
  return all.length === 0 ? {} : { parameters: all };
}

function parameters(place: "path" | "query", given: TObject): object[] {
  const required = new Set<string>((given.required as string[] | undefined) ?? []);
  return Object.entries(given.properties).map(([name, schema]) => ({
    name,
    in: place,
    required: required.has(name),
    schema,
  }));
}

function responses(given: Record<string, TSchema>, config: FastifyContextConfig): object {
  const known = Object.entries(given).map(([status, schema]) => [
    status,
    status === "304" ? { description: "not modified" } : answer(status, schema, config),
  ]);
  const error = { description: "an error", content: { [JSON_TYPE]: { schema: errorRef() } } };
  return { ...Object.fromEntries(known), default: error };
}

function answer(status: string, schema: TSchema, config: FastifyContextConfig): object {
  const { contentType = JSON_TYPE, otherTypes = {}, headers } = config;
  const types =
    status === "200" ? { [contentType]: schema, ...otherTypes } : { [contentType]: schema };
  const content = Object.fromEntries(
    Object.entries(types).map(([type, each]) => [type, { schema: each }]),
  );
  const described = Object.entries(headers ?? {}).map(([name, description]) => [
    name,
    { description, schema: { type: "string" } },
  ]);
  return {
    description: "the answer",
    content,
    ...(described.length === 0 || status !== "200"
      ? {}
      : { headers: Object.fromEntries(described) }),
  };
}

function errorRef(): object {
  return { $ref: "#/components/schemas/Error" };
}
