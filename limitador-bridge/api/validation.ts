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
    const given = isText ? converted(validator, { ...(value as object) }) : value;
    if (validator.Check(given)) return { value: given };
    const problem = describeInvalid(validator, given);
    return { error: new ApiError("invalid_request", `${httpPart}: ${problem}`) };
  };
};

/** All numbers that are asked for are whole; the conversion would make 1 of 1.5 and of true. */
const WHOLE = /^-?\d+$/;

/** Numbers read from text; what is no whole number stays as it is, for the schema to refuse. */
function converted(
  validator: { Convert(value: unknown): unknown },
  texts: Record<string, unknown>,
): unknown {
  const read = validator.Convert({ ...texts }) as Record<string, unknown>;
  const kept = Object.entries(read).map(([name, value]) => {
    const text = texts[name];
    return [name, typeof value === "number" && !WHOLE.test(String(text)) ? text : value];
  });
  return Object.fromEntries(kept);
}

/** What is wrong with a value that the schema refuses. */
export function describeInvalid(
  validator: { Errors(value: unknown): unknown },
  value: unknown,
): string {
  return describe(validator.Errors(value) as SchemaError[]);
}

/**
 * The first problem, in words: `/llm/choices must be integer`, `unknown name "mdoel"`,
 * `/format must be json or ndjson`.
 */
function describe(errors: SchemaError[]): string {
  const unknown = errors.find(({ keyword }) => keyword === "additionalProperties");
  if (unknown !== undefined) {
    const names = (unknown.params as { additionalProperties?: string[] }).additionalProperties;
    return `unknown name "${names?.[0] ?? ""}"`;
  }
  const [first] = errors;
  if (first === undefined) return "not valid";
  const words = errors
    .filter(
      ({ keyword, instancePath }) => keyword === "const" && instancePath === first.instancePath,
    )
    .map(({ params }) => (params as { allowedValue: unknown }).allowedValue);
  const message = words.length === 0 ? first.message : `must be ${words.join(" or ")}`;
  return `${first.instancePath} ${message}`.trim();
}
