/** What CEL's optional values have beyond cel-js, and functions of lists that give them. */
import { type ASTNode, type Environment, Optional } from "@marcbachmann/cel-js";

/** Of cel-js, no more than macros need; it declares none of them. */
interface CelType {
  kind: string;
  valueType?: CelType;
}
interface Scope {
  forkWithVariable(name: string, type: CelType): Scope;
  reuse(parent: Scope): Scope;
  setIterValue(value: unknown, evaluator: Evaluator): Scope;
}
interface Checker {
  check(node: ASTNode, scope: Scope): CelType;
  getType(name: string): CelType;
  createError(code: string, message: string, node: ASTNode): Error;
}
interface Evaluator {
  run(node: ASTNode, scope: Scope): unknown;
}
interface MacroCall {
  ast: ASTNode;
  args: [ASTNode, ASTNode];
  receiver: ASTNode;
}

const SYNC = { async: false };

function isOptional(value: unknown): value is Optional {
  return value instanceof Optional;
}

/** `receiver.name(variable, expression)`, whose result `wrap` makes an optional value of. */
function macro(name: string, wrap: (value: unknown) => Optional) {
  return ({ args: [variable, expression], receiver }: MacroCall) => {
    let inner: Scope;
    return {
      typeCheck(checker: Checker, _macro: unknown, scope: Scope): CelType {
        if (variable.op !== "id") {
          const message = `${name}() takes a variable's name first`;
          throw checker.createError("invalid_macro_argument", message, variable);
        }
        const type = checker.check(receiver, scope);
        if (type.kind !== "optional" && type.kind !== "dyn") {
          const message = `${name}() is of an optional value, found ${type}`;
          throw checker.createError("optional_expected", message, receiver);
        }
        inner = scope.forkWithVariable(variable.args, type.valueType ?? checker.getType("dyn"));
        const result = checker.check(expression, inner);
        if (result.kind === "optional") return result;
        return checker.getType(name === "optMap" ? `optional<${result}>` : "optional");
      },
      evaluate(evaluator: Evaluator, _macro: unknown, scope: Scope): Optional {
        const optional = evaluator.run(receiver, scope);
        if (!isOptional(optional)) throw new Error(`${name}() is of an optional value`);
        if (!optional.hasValue()) return Optional.none();
        const bound = inner.reuse(scope).setIterValue(optional.value(), evaluator);
        return wrap(evaluator.run(expression, bound));
      },
    };
  };
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Map) return value.size === 0;
  if (typeof value !== "object" || value === null) return !value;
  const primitive = (value as { valueOf(): unknown }).valueOf();
  return typeof primitive === "bigint" ? primitive === 0n : Object.keys(value).length === 0;
}

/** The values of those that have one. */
function unwrap(values: readonly unknown[]): unknown[] {
  return values.flatMap((value) => {
    if (!isOptional(value)) throw new Error("unwrap is of a list of optional values");
    return value.hasValue() ? [value.value()] : [];
  });
}

/** Adds the functions to the environment. */
export function registerOptionalFunctions(environment: Environment): void {
  const functions: Record<string, (...args: never[]) => unknown> = {
    "optional.optMap(ast, ast): optional<dyn>": macro("optMap", (value) => Optional.of(value)),
    "optional.optFlatMap(ast, ast): optional<dyn>": macro("optFlatMap", (value) => {
      if (isOptional(value)) return value;
      throw new Error("optFlatMap() takes an expression that gives an optional value");
    }),
    "OptionalNamespace.ofNonZeroValue(dyn): optional<dyn>": (_: unknown, value: unknown) =>
      isZero(value) ? Optional.none() : Optional.of(value),
    "OptionalNamespace.unwrap(list): list<dyn>": (_: unknown, values: unknown[]) => unwrap(values),
    "list.unwrapOpt(): list<dyn>": unwrap,
    "list<A>.first(): optional<A>": (values: unknown[]) => Optional.of(values[0]),
    "list<A>.last(): optional<A>": (values: unknown[]) => Optional.of(values.at(-1)),
  };
  for (const [signature, handler] of Object.entries(functions)) {
    environment.registerFunction(signature, handler, SYNC);
  }
}
