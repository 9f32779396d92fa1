/**
 * Checks a document against its schema, in the words of the person who wrote it: what was
 * expected, what was found, and where. Knows the part of JSON Schema that the policy schemas use.
 */
import { suggestion } from "../cel/closest-name.ts";
import type { PolicyProblem } from "./policy-set.ts";
import type { FieldPath, SourceDocument } from "./source-document.ts";

/** The members of JSON Schema that are understood here. */
export interface CheckedSchema {
  type?: string;
  const?: unknown;
  anyOf?: CheckedSchema[];
  properties?: Record<string, CheckedSchema>;
  patternProperties?: Record<string, CheckedSchema>;
  additionalProperties?: boolean;
  required?: string[];
  items?: CheckedSchema;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  /** What is expected, in words; else it is made from the schema. */
  errorMessage?: string;
  /** Fields that are known elsewhere: what their message says after `unknown field "…"`. */
  misplaced?: Record<string, string>;
}

const TYPE_NAMES: Record<string, string> = {
  object: "a map",
  array: "a list",
  string: "a string",
  integer: "an integer",
  number: "a number",
  boolean: "true or false",
};

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** A value as messages show it: short, and containers only by kind. */
export function foundText(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function rangeText(schema: CheckedSchema): string {
  const name = TYPE_NAMES[schema.type ?? ""] ?? "a number";
  if (schema.maximum !== undefined) {
    return `${name} from ${schema.minimum ?? "-∞"} to ${schema.maximum}`;
  }
  return schema.minimum === undefined ? name : `${name} of at least ${schema.minimum}`;
}

function expectedText(schema: CheckedSchema): string {
  if (schema.errorMessage !== undefined) return schema.errorMessage;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf !== undefined) {
    return [...new Set(schema.anyOf.map(expectedText))].join(" or ");
  }
  if (schema.type === "integer" || schema.type === "number") return rangeText(schema);
  if (schema.type === "string" && (schema.minLength ?? 0) > 0) return "a string that is not empty";
  return TYPE_NAMES[schema.type ?? ""] ?? "another value";
}

function matchesType(schema: CheckedSchema, value: unknown): boolean {
  const found = typeOf(value);
  return (
    schema.type === undefined ||
    found === schema.type ||
    (schema.type === "number" && found === "integer")
  );
}

function matchesScalar(schema: CheckedSchema, value: unknown): boolean {
  if (schema.const !== undefined && value !== schema.const) return false;
  if (typeof value === "string") {
    if (value.length < (schema.minLength ?? 0)) return false;
    if (value.length > (schema.maxLength ?? Infinity)) return false;
    return schema.pattern === undefined || new RegExp(schema.pattern).test(value);
  }
  if (typeof value !== "number") return true;
  return value >= (schema.minimum ?? -Infinity) && value <= (schema.maximum ?? Infinity);
}

class SchemaCheck {
  /** In full only where they count: of a union's shapes all but one may fail. */
  readonly problems: (() => PolicyProblem)[] = [];
  readonly document: SourceDocument;

  constructor(document: SourceDocument) {
    this.document = document;
  }

  check(schema: CheckedSchema, value: unknown, path: FieldPath): void {
    if (schema.anyOf !== undefined) this.checkUnion(schema, schema.anyOf, value, path);
    else if (!matchesType(schema, value) || !matchesScalar(schema, value)) {
      this.unexpected(schema, value, path);
    } else if (Array.isArray(value)) this.checkList(schema, value, path);
    else if (typeof value === "object" && value !== null) {
      this.checkMap(schema, value as Record<string, unknown>, path);
    }
  }

  unexpected(schema: CheckedSchema, value: unknown, path: FieldPath): void {
    this.problems.push(() => {
      const tag = this.document.tag(path);
      const found =
        tag === null
          ? foundText(value)
          : `the YAML tag ${JSON.stringify(tag)}: put a value that begins with "!" into quotes`;
      return this.document.problem(path, `expected ${expectedText(schema)}, found ${found}`);
    });
  }

  /** Of several shapes, the one whose keys are there is the one that was meant. */
  checkUnion(union: CheckedSchema, shapes: CheckedSchema[], value: unknown, path: FieldPath): void {
    const attempts = shapes.map((schema) => {
      const attempt = new SchemaCheck(this.document);
      attempt.check(schema, value, path);
      return { schema, problems: attempt.problems };
    });
    if (attempts.some(({ problems }) => problems.length === 0)) return;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const meant = attempts.find(({ schema }) =>
        (schema.required ?? []).some((key) => Object.hasOwn(value, key)),
      );
      if (meant !== undefined) {
        this.problems.push(...meant.problems);
        return;
      }
    }
    this.unexpected(union, value, path);
  }

  checkList(schema: CheckedSchema, list: unknown[], path: FieldPath): void {
    const { minItems = 0, maxItems = Infinity, items } = schema;
    if (list.length < minItems || list.length > maxItems) {
      const range = maxItems === Infinity ? `at least ${minItems}` : `${minItems} to ${maxItems}`;
      const message = `expected ${range} items, found ${list.length}`;
      this.problems.push(() => this.document.problem(path, message));
    }
    if (items === undefined) return;
    for (const [i, item] of list.entries()) this.check(items, item, [...path, i]);
  }

  checkMap(schema: CheckedSchema, map: Record<string, unknown>, path: FieldPath): void {
    const known = schema.properties ?? {};
    const anyKey = Object.values(schema.patternProperties ?? {})[0];
    for (const key of schema.required ?? []) {
      if (Object.hasOwn(map, key) && map[key] !== undefined) continue;
      const message = `is missing: expected ${expectedText(known[key] ?? {})}`;
      const field = [...path, key];
      this.problems.push(() =>
        this.document.problem(field, message, this.document.locateKey(path)),
      );
    }
    if (Object.keys(map).length < (schema.minProperties ?? 0)) {
      const message = "expected at least one entry, found none";
      this.problems.push(() => this.document.problem(path, message));
    }
    for (const [key, value] of Object.entries(map)) {
      const property = Object.hasOwn(known, key) ? known[key] : anyKey;
      if (property !== undefined) this.check(property, value, [...path, key]);
      else if (schema.additionalProperties === false) this.unknownField(schema, key, path);
    }
  }

  unknownField(
    { properties = {}, misplaced = {} }: CheckedSchema,
    key: string,
    path: FieldPath,
  ): void {
    const field = [...path, key];
    const hint = Object.hasOwn(misplaced, key)
      ? `: ${misplaced[key]}`
      : suggestion(key, Object.keys(properties));
    const message = `unknown field "${key}"${hint}`;
    this.problems.push(() => this.document.problem(field, message, this.document.locateKey(field)));
  }
}

/** Everything in the document that its schema does not allow, in the order of the file. */
export function checkSchema(document: SourceDocument, schema: object): PolicyProblem[] {
  const check = new SchemaCheck(document);
  check.check(schema as CheckedSchema, document.value, []);
  const problems = check.problems.map((problem) => problem());
  return problems.sort((a, b) => a.line - b.line || a.column - b.column);
}
