/** The CEL environment of policies: typed roots, and the functions beyond the standard ones. */
import { createHash } from "node:crypto";
import { Environment } from "@marcbachmann/cel-js";
import { NUMBER_FUNCTIONS } from "./number-functions.ts";
import { registerOptionalFunctions } from "./optional-functions.ts";
import { FIELDS, type FieldType, TYPED_ROOTS, type TypedRoot } from "./roots.ts";
import { StringsNamespace, TEXT_FUNCTIONS } from "./text-functions.ts";
import { TIME_FUNCTIONS } from "./time-functions.ts";

/**
 * Activation objects of the typed roots. Classes of their own let cel-js check field types at
 * load and keep a hostile key such as `constructor` from ever being looked at.
 */
class RootAttributes {
  [field: string]: unknown;
}
export class RequestAttributes extends RootAttributes {}
class SourceAttributes extends RootAttributes {}
class DestinationAttributes extends RootAttributes {}
class ConnectionAttributes extends RootAttributes {}
class LlmAttributes extends RootAttributes {}

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

const CEL_TYPES: Record<FieldType, string> = {
  string: "string",
  int: "int",
  bool: "bool",
  timestamp: "google.protobuf.Timestamp",
};
/** An expression longer than this many syntax nodes is a mistake or an attack on the loader. */
const LIMITS = { maxAstNodes: 2000, maxDepth: 60 };
const SYNC = { async: false };

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
    ...TEXT_FUNCTIONS,
    ...NUMBER_FUNCTIONS,
    ...TIME_FUNCTIONS,
    // In hex: who holds an API key can be told without the key standing in a policy.
    "sha256(string): string": (text: string) => createHash("sha256").update(text).digest("hex"),
    // As RFC 3339 has it: without a fraction of zero.
    [`string(${ts}): string`]: (time: Date) => time.toISOString().replace(/\.?0+Z$/, "Z"),
    [`string(${duration}): string`]: (value: { toString(): string }) => value.toString(),
  };
  for (const [signature, handler] of Object.entries(functions)) {
    environment.registerFunction(signature, handler, SYNC);
  }
  registerOptionalFunctions(environment);
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
  environment.registerType(StringsNamespace.name, StringsNamespace);
  environment.registerConstant("strings", StringsNamespace.name, new StringsNamespace());
  registerFunctions(environment);
  return environment;
}
