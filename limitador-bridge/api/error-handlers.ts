/** Everything that goes wrong in HTTP, answered as `{"error":{code,message}}`. */
import type { Socket } from "node:net";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ApiError, errorBody, toApiError } from "../errors.ts";
import type { RouteTable } from "./openapi.ts";

/** Seconds after which an answer of 503 asks to be tried again. */
const RETRY_AFTER_SECONDS = 1;

/** Installs the handlers for thrown errors, unknown paths and known paths with other methods. */
export function installErrorHandlers(app: FastifyInstance, table: RouteTable): void {
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const methods = methodsAt(table, path);
    if (methods === null) {
      throw new ApiError("not_found", `nothing at ${path}`);
    }
    const allowed = methods.join(", ");
    reply.header("allow", allowed);
    throw new ApiError("method_not_allowed", `${path} takes ${allowed}, not ${request.method}`);
  });
}

/** The methods of the route that a path is of, parameters (`:team`) and all; null: of none. */
function methodsAt(table: RouteTable, path: string): string[] | null {
  const segments = path.split("/");
  for (const [route, methods] of table) {
    const names = route.split("/");
    if (names.length !== segments.length) continue;
    if (
      names.every((name, i) => (name.startsWith(":") ? segments[i] !== "" : name === segments[i]))
    )
      return [...methods.keys()];
  }
  return null;
}

/** Answers with what was thrown; what is not the caller's mistake is logged. */
export function answerError(
  thrown: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const error = toApiError(thrown);
  if (error.code === "internal") {
    request.log.error({ err: thrown, path: request.url }, "internal error");
  }
  if (error.status === 503) reply.header("retry-after", String(RETRY_AFTER_SECONDS));
  return reply
    .code(error.status)
    .type("application/json")
    .send(errorBody(error.code, error.message));
}

/** Answers bytes that are not HTTP, or HTTP with headers over the limit. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code !== "ECONNRESET" && socket.writable) {
    const body = JSON.stringify(errorBody("invalid_request", `not a valid request: ${error.code}`));
    socket.write(
      "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n" +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
}
