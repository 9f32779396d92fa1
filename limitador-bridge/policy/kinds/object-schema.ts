/** Parts that the schemas of all kinds share. */
import Type, { type TSchema } from "typebox";

const NAME = "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$";
const objectName = (what: string) =>
  Type.String({
    pattern: NAME,
    errorMessage: `${what} of lower-case letters, digits, "-" and "."`,
  });

/** A CEL expression. */
export const Expression = Type.String({ minLength: 1, errorMessage: "a CEL expression" });

/** One of a few words. */
export function oneOf(...words: string[]) {
  return Type.Union(
    words.map((word) => Type.Literal(word)),
    { errorMessage: words.map((word) => JSON.stringify(word)).join(" or ") },
  );
}

/** Whatever else Kubernetes puts there is accepted. */
export const Metadata = Type.Object({
  name: objectName("a name"),
  namespace: Type.Optional(objectName("a namespace")),
});

/** A Kubernetes object with this spec. Metadata may have whatever Kubernetes puts there. */
export function objectSchema(apiVersion: string, kind: string, spec: TSchema) {
  return Type.Object(
    {
      apiVersion: Type.Literal(apiVersion),
      kind: Type.Literal(kind),
      metadata: Metadata,
      spec,
      status: Type.Optional(Type.Object({})),
    },
    { additionalProperties: false },
  );
}
