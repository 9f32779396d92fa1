/** Bearer tokens (RFC 6750) for the calls that change something and for those of the filter. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "../errors.ts";

/**
 * Makes the check that runs before the body is read.
 * @param token null: nothing is asked for
 */
export function bearerCheck(token: string | null) {
  const expected = token === null ? null : digest(token);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (expected === null || !request.routeOptions.config.bearer) return;
    const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
    // Digests have one length, and comparing them tells nothing of the token.
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
    reply.header("www-authenticate", "Bearer");
    throw new ApiError("unauthorized", "a valid bearer token is needed for this call");
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
