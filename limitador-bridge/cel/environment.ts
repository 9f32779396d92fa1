/** The CEL environment of policies: typed roots, and the functions beyond the standard ones. */
import { createHash } from "node:crypto";
import { Environment } from "@marcbachmann/cel-js";
import { compilePattern } from "./regex-safety.ts";
import { FIELDS, type FieldType, TYPED_ROOTS, type TypedRoot } from "./roots.ts";

/**
 * Activation objects of the typed roots. Classes of their own let cel-js check field types at
 * load and keep a hostile key such as `constructor` from ever being looked at.
 */
class RootAttributes {
  [field: string]: unknown;
}
export class RequestAttributes extends RootAttributes {}
export class SourceAttributes extends RootAttributes {}
export class DestinationAttributes extends RootAttributes {}
export class ConnectionAttributes extends RootAttributes {}
export class LlmAttributes extends RootAttributes {}

export const ROOT_CLASSES: Record<TypedRoot, new () => RootAttributes> = {
  request: RequestAttributes,
  source: SourceAttributes,
  destination: DestinationAttributes,
  connection: ConnectionAttributes,
  llm: LlmAttributes,
};

/**
 * Key of the activation under which requestBodyJSON() finds its values, a Map by pointer. No
 * expression can name it: "@" begins no identifier.
 */
export const BODY_VALUES = "@body";

/** Name that a call of `matches` is given; see matchesWithinLimit. */
export const MATCHES_FUNCTION = "matchesWithinLimit";
/** Vetted patterns may be quadratic: this many characters then cost a few ms. */
export const MATCHES_SUBJECT_LIMIT_CHARS = 2048;

const CEL_TYPES: Record<FieldType, string> = {
  string: "string",
  int: "int",
  bool: "bool",
  timestamp: "google.protobuf.Timestamp",
};
/** An expression longer than this many syntax nodes is a mistake or an attack on the loader. */
const LIMITS = { maxAstNodes: 2000, maxDepth: 60 };
const SYNC = { async: false };

const patterns = new Map<string, RegExp>();

function matchesWithinLimit(subject: string, pattern: string): boolean {
  if (subject.length > MATCHES_SUBJECT_LIMIT_CHARS) {
    throw new Error(
      `matches() reads at most ${MATCHES_SUBJECT_LIMIT_CHARS} characters, found ${subject.length}`,
    );
  }
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    compiled = compilePattern(pattern);
    // Patterns are literals of policies, so the map is as small as the policies are.
    patterns.set(pattern, compiled);
  }
  return compiled.test(subject);
}

function charAt(text: string, index: bigint): string {
  if (index < 0n || index > BigInt(text.length))
    throw new Error(`charAt(${index}) is out of range`);
  return text.charAt(Number(index));
}

function replace(text: string, from: string, to: string, limit = -1n): string {
  if (limit < 0n) return text.replaceAll(from, () => to);
  let replaced = 0n;
  return text.replaceAll(from, (found) => (replaced++ < limit ? to : found));
}

/** requestBodyJSON("/pointer"): null where the body has nothing there, as Kuadrant answers. */
function registerRequestBody(environment: Environment): void {
  environment.registerFunction(
    "requestBodyJSON(ast): dyn",
    ({ args }: { args: { args: unknown }[] }) => ({
      pointer: args[0]?.args,
      typeCheck: (checker: { getType(name: string): unknown }) => checker.getType("dyn"),
      evaluate(
        evaluator: { createError(code: string, message: string): Error },
        macro: { pointer: string },
        context: { getValue(name: string): unknown },
      ): unknown {
        const values = context.getValue(BODY_VALUES);
        if (values instanceof Map) return values.get(macro.pointer) ?? null;
        throw evaluator.createError("no_such_key", `No such key: ${macro.pointer}`);
      },
    }),
    SYNC,
  );
}

function registerFunctions(environment: Environment): void {
  const ts = CEL_TYPES.timestamp;
  const duration = "google.protobuf.Duration";
  const functions: Record<string, (...args: never[]) => unknown> = {
    [`string.${MATCHES_FUNCTION}(string): bool`]: matchesWithinLimit,
    "string.charAt(int): string": charAt,
    "string.replace(string, string): string": replace,
    "string.replace(string, string, int): string": replace,
    // In hex: who holds an API key can be told without the key standing in a policy.
    "sha256(string): string": (text: string) => createHash("sha256").update(text).digest("hex"),
    "string.reverse(): string": (text: string) => Array.from(text).reverse().join(""),
    [`string(${ts}): string`]: (time: Date) => time.toISOString(),
    [`string(${duration}): string`]: (value: { toString(): string }) => value.toString(),
    [`int(${ts}): int`]: (time: Date) => BigInt(Math.floor(time.getTime() / 1000)),
  };
  for (const [signature, handler] of Object.entries(functions)) {
    environment.registerFunction(signature, handler, SYNC);
  }
  registerRequestBody(environment);
}

/** The one environment that every expression is compiled in. */
export function createEnvironment(): Environment {
  const environment = new Environment({
    unlistedVariablesAreDyn: false,
    // Standard CEL: mixed lists are lists of dyn.
    homogeneousAggregateLiterals: false,
    // Kuadrant enables optional syntax: request.headers[?"x"].orValue("y").
    enableOptionalTypes: true,
    limits: LIMITS,
  });
  for (const root of TYPED_ROOTS) {
    const fields: Record<string, string> = {};
    for (const [name, field] of FIELDS[root]) fields[name] = CEL_TYPES[field.type];
    if (root === "request") {
      fields.headers = "map<string, string>";
      fields.auth = "map<string, dyn>";
    }
    const typeName = ROOT_CLASSES[root].name;
    environment.registerType(typeName, { ctor: ROOT_CLASSES[root], fields });
    environment.registerVariable(root, typeName);
  }
  for (const name of ["metadata", "filter_state", "auth"]) {
    environment.registerVariable(name, "map<string, dyn>");
  }
  registerFunctions(environment);
  return environment;
}
