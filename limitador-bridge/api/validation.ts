/** Validation of requests with the compiled typebox schemas of the routes. */
import type { FastifySchemaCompiler } from "fastify";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { ApiError } from "../errors.ts";

interface SchemaError {
  keyword: string;
  instancePath: string;
  message: string;
  params: unknown;
}

/**
 * Compiles a route's schema. What stands in a query is text, so that numbers and booleans are read
 * from it first; a body has to be as the schema says.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  const isText = httpPart !== "body";
  return (value: unknown) => {
    const given = isText ? validator.Convert({ ...(value as object) }) : value;
    if (validator.Check(given)) return { value: given };
    const problem = describeInvalid(validator, given);
    return { error: new ApiError("invalid_request", `${httpPart}: ${problem}`) };
  };
};

/** What is wrong with a value that the schema refuses. */
export function describeInvalid(
  validator: { Errors(value: unknown): unknown },
  value: unknown,
): string {
  return describe(validator.Errors(value) as SchemaError[]);
}

/** The first problem, in words: `/llm/choices must be integer`, `unknown name "mdoel"`. */
function describe(errors: SchemaError[]): string {
  const unknown = errors.find(({ keyword }) => keyword === "additionalProperties");
  if (unknown !== undefined) {
    const names = (unknown.params as { additionalProperties?: string[] }).additionalProperties;
    return `unknown name "${names?.[0] ?? ""}"`;
  }
  const [first] = errors;
  return first === undefined ? "not valid" : `${first.instancePath} ${first.message}`.trim();
}
