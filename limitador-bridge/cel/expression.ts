/** Expressions: compiled once at load, evaluated on every request. */
import { type ASTNode, EvaluationError, type ParseResult } from "@marcbachmann/cel-js";
import { remembered } from "../bounded-memo.ts";
import { BODY_VALUES, createEnvironment, ROOT_CLASSES } from "./environment.ts";
import { withPublishedNames } from "./function-names.ts";
import { type CelProblem, findReads, type Reads } from "./references.ts";
import { rewriteExpression } from "./rewrite.ts";
import { TYPED_ROOTS } from "./roots.ts";

/** What an expression must give: a predicate a bool, a counter one value, a ttl a duration. */
export type ExpectedResult = "bool" | "single value" | "int" | "duration";

export interface CompiledExpression {
  /** As its author wrote it. */
  source: string;
  /** As it is evaluated: rewritten (rewrite.ts). */
  ast: ASTNode;
  reads: Reads;
  /**
   * The value for one activation (see attributes.ts). Throws where an attribute is missing or a
   * type does not fit; `evaluationMessage` says why.
   */
  evaluate(activation: Record<string, unknown>): unknown;
}

export type CompileResult = { expression: CompiledExpression } | { problems: CelProblem[] };

const MAX_EXPRESSION_CHARS = 8192;
const DURATION = "google.protobuf.Duration";
const RESULT_TYPES: Record<ExpectedResult, readonly string[]> = {
  bool: ["bool"],
  "single value": ["string", "int", "uint", "double", "bool", "null", "google.protobuf.Timestamp"],
  int: ["int", "uint"],
  duration: [DURATION],
};
/** Failures of the dry run that no request could mend. */
const TYPE_ERRORS = new Set([
  "no_such_overload",
  "no_matching_overload",
  "invalid_logical_operand",
  "invalid_condition_type",
  "invalid_comprehension_range",
  "invalid_duration",
  "invalid_timestamp",
  "bool_conversion_error",
  "double_conversion_error",
  "int_conversion_error",
  "uint_conversion_error",
]);

const environment = createEnvironment();

/** The reason of a failed evaluation, on one line. */
export function evaluationMessage(error: unknown): string {
  if (error instanceof EvaluationError) return withPublishedNames(error.summary);
  return error instanceof Error ? error.message : String(error);
}

/** Activation of a request of which nothing is known; no body values, so that reading one fails. */
const EMPTY_ACTIVATION = emptyActivation();

function emptyActivation(): Record<string, unknown> {
  const activation: Record<string, unknown> = { [BODY_VALUES]: undefined };
  for (const root of TYPED_ROOTS) activation[root] = new ROOT_CLASSES[root]();
  const request = activation.request as Record<string, unknown>;
  request.headers = new Map();
  request.auth = new Map();
  activation.auth = request.auth;
  activation.metadata = new Map([["filter_metadata", new Map()]]);
  activation.filter_state = new Map();
  return activation;
}

interface CelFailure {
  summary?: string;
  message: string;
  range?: { start: number };
}

function toProblem(error: unknown, toOriginal: (offset: number) => number): CelProblem {
  const failure = error as CelFailure;
  const message = withPublishedNames(failure.summary ?? failure.message);
  return { message, start: toOriginal(failure.range?.start ?? 0) };
}

function resultProblem(type: string, expected: ExpectedResult): CelProblem | null {
  const bare = /^dyn<(.*)>$/.exec(type)?.[1] ?? type;
  if (bare === "dyn" || RESULT_TYPES[expected].includes(bare)) return null;
  const article = expected === "int" ? "an" : "a";
  return { message: `the expression must give ${article} ${expected}, found ${bare}`, start: 0 };
}

function dryRun(run: ParseResult, toOriginal: (offset: number) => number): CelProblem | null {
  try {
    evaluate(run, EMPTY_ACTIVATION);
    return null;
  } catch (error) {
    const isType = error instanceof EvaluationError && TYPE_ERRORS.has(error.code);
    return isType ? toProblem(error, toOriginal) : null;
  }
}

/**
 * A missing attribute is an everyday failure of which only the message is read: without a stack
 * trace it costs a quarter of the time.
 */
function evaluate(run: ParseResult, activation: Record<string, unknown>): unknown {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return run(activation);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Most policies share theirs; those that went with a reload are forgotten in the end. */
const MAX_REMEMBERED = 10_000;
const compiled = new Map<string, CompileResult>();

/**
 * Parses, checks attributes and types, and dry-runs an expression once. Never throws: what is
 * wrong comes back as problems with offsets into `source`.
 */
export function compileExpression(source: string, expected: ExpectedResult): CompileResult {
  const key = `${expected}: ${source}`;
  return remembered(compiled, MAX_REMEMBERED, key, () => compile(source, expected));
}

function compile(source: string, expected: ExpectedResult): CompileResult {
  if (source.length > MAX_EXPRESSION_CHARS) {
    const message = `an expression has at most ${MAX_EXPRESSION_CHARS} characters`;
    return { problems: [{ message, start: 0 }] };
  }
  let parsed: ParseResult;
  try {
    parsed = environment.parse(source);
  } catch (error) {
    return { problems: [toProblem(error, (offset) => offset)] };
  }
  const { reads, problems } = findReads(parsed.ast);
  if (problems.length > 0) return { problems };
  const { text, toOriginal } = rewriteExpression(parsed.ast);
  const run = text === source ? parsed : environment.parse(text);
  const check = run.check();
  if (!check.valid) return { problems: [toProblem(check.error, toOriginal)] };
  const problem = resultProblem(check.type ?? "dyn", expected) ?? dryRun(run, toOriginal);
  if (problem !== null) return { problems: [problem] };
  return {
    expression: {
      source,
      ast: run.ast,
      reads,
      evaluate: (activation) => evaluate(run, activation),
    },
  };
}
