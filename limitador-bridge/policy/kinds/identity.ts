/** Identity (tollgate.dev/v1alpha1): who pays, read from sources that are trusted explicitly. */
import Type, { type Static } from "typebox";
import { type CompiledExpression, compileExpression } from "../../cel/expression.ts";
import { headerName } from "../../cel/roots.ts";
import { compileField } from "../compile-field.ts";
import type { PolicyProblem } from "../policy-set.ts";
import { checkSchema } from "../schema-check.ts";
import type { SourceDocument } from "../source-document.ts";
import type { LoadedObject, PolicyKind } from "./kind.ts";
import { Expression, objectSchema } from "./object-schema.ts";

const PAYER_FIELDS = ["team", "app", "user", "task"] as const;
export type PayerField = (typeof PAYER_FIELDS)[number];
/** Null: always unknown. */
export type Identity = Record<PayerField, CompiledExpression | null>;

const Spec = Type.Object(
  {
    team: Type.Optional(Expression),
    app: Type.Optional(Expression),
    user: Type.Optional(Expression),
    task: Type.Optional(Expression),
    trustedHeaders: Type.Optional(
      Type.Array(Type.String({ minLength: 1, errorMessage: "a header name" })),
    ),
  },
  { additionalProperties: false },
);

const API_VERSION = "tollgate.dev/v1alpha1";
const IdentitySchema = objectSchema(API_VERSION, "Identity", Spec);

/** Attributes that are request headers under another name. */
const HEADER_PROPERTIES: Record<string, string> = {
  "request.useragent": "user-agent",
  "request.referer": "referer",
  "request.id": "x-request-id",
  "request.host": headerName("host"),
};

function untrusted(expression: CompiledExpression, trusted: ReadonlySet<string>): string[] {
  const { headers, properties } = expression.reads;
  const read = [
    ...headers,
    ...[...properties.keys()].flatMap((name) => HEADER_PROPERTIES[name] ?? []),
  ];
  return read.filter((header) => !trusted.has(header));
}

function untrustedMessage(header: string): string {
  if (header === "*") return "reads any header: read each one by its literal name";
  return (
    `reads the header "${header}", which anyone can set unless a proxy in front removes it: ` +
    "list it in spec.trustedHeaders if that is so"
  );
}

function load(document: SourceDocument): LoadedObject<Identity> {
  const problems: PolicyProblem[] = checkSchema(document, IdentitySchema);
  if (problems.length > 0) return { object: null, problems };
  const { spec } = document.value as { spec: Static<typeof Spec> };
  const trusted = new Set(spec.trustedHeaders?.map(headerName));
  const identity: Identity = { team: null, app: null, user: null, task: null };
  for (const field of PAYER_FIELDS) {
    const source = spec[field];
    if (source === undefined) continue;
    const path = ["spec", field];
    const expression = compileField(document, path, source, "single value", problems);
    if (expression === null) continue;
    identity[field] = expression;
    for (const header of untrusted(expression, trusted)) {
      problems.push(document.problem(path, untrustedMessage(header)));
    }
  }
  return { object: problems.length > 0 ? null : identity, problems };
}

function builtIn(source: string): CompiledExpression {
  const result = compileExpression(source, "single value");
  if ("expression" in result) return result.expression;
  throw new Error(`built-in expression: ${result.problems[0]?.message}`);
}

/** Who pays where no Identity object is in force: the authenticated user, nothing else. */
export const DEFAULT_IDENTITY: Identity = {
  team: null,
  app: null,
  user: builtIn("has(auth.identity.userid) ? auth.identity.userid : null"),
  task: null,
};

export const identityKind: PolicyKind<Identity> = {
  apiVersion: API_VERSION,
  kind: "Identity",
  schema: IdentitySchema,
  single: true,
  load,
};
