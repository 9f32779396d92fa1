/**
 * ApiRoute (tollgate.dev/v1alpha1): which API stands behind a path, said by whoever configures the
 * routes. It comes before what the paths' own names tell, and before the body's shape.
 */
import Type, { type Static } from "typebox";
import { suggestion } from "../../cel/closest-name.ts";
import type { ApiRoute } from "../../contract/filter.ts";
import { API_ROUTES } from "../../usage/api-routes.ts";
import type { PolicyProblem } from "../policy-set.ts";
import { checkSchema } from "../schema-check.ts";
import type { SourceDocument } from "../source-document.ts";
import type { LoadedObject, PolicyKind } from "./kind.ts";
import { objectSchema } from "./object-schema.ts";

const Route = Type.Object(
  {
    path: Type.String({
      pattern: "^/[^?#]*$",
      errorMessage: 'the end of a path, such as "/v1/chat/completions", without a query',
    }),
    api: Type.String({ minLength: 1, errorMessage: "the name of an API" }),
    method: Type.Optional(
      Type.String({ pattern: "^[A-Z]{1,16}$", errorMessage: 'an HTTP method such as "POST"' }),
    ),
    stream: Type.Optional(Type.Boolean()),
    includeUsage: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

const Spec = Type.Object(
  { routes: Type.Array(Route, { minItems: 1, maxItems: 1000 }) },
  { additionalProperties: false },
);

const API_VERSION = "tollgate.dev/v1alpha1";
const ApiRouteSchema = objectSchema(API_VERSION, "ApiRoute", Spec);

/** A built-in route of each API, by its name: one that asks for usage, where there is one. */
const BUILT_IN = new Map(
  API_ROUTES.toSorted((a, b) => Number(a.includeUsage) - Number(b.includeUsage)).map((route) => [
    route.api,
    route,
  ]),
);

/** What is not said is as on the API's own path, but for what that says of its path alone. */
function withPreset(given: Static<typeof Route>, like: ApiRoute): ApiRoute {
  const { method: _, stream: __, includeUsageExcept, ...preset } = like;
  if (given.includeUsage !== undefined || includeUsageExcept === undefined) {
    return { ...preset, ...given };
  }
  return { ...preset, includeUsageExcept, ...given };
}

function unknownApi(name: string): string {
  const all = [...BUILT_IN.keys()].sort();
  const meant = suggestion(name, all);
  if (meant !== "") return `unknown API ${JSON.stringify(name)}${meant}`;
  const [maker = ""] = name.split(/[^a-z]/i);
  const near = all.filter((api) => api.split(".")[0] === maker.toLowerCase());
  const names = near.length > 0 ? near : all;
  return `unknown API ${JSON.stringify(name)}: expected one of ${names.join(", ")}`;
}

function load(document: SourceDocument): LoadedObject<ApiRoute[]> {
  const problems: PolicyProblem[] = checkSchema(document, ApiRouteSchema);
  if (problems.length > 0) return { object: null, problems };
  const { spec } = document.value as { spec: Static<typeof Spec> };
  const routes: ApiRoute[] = [];
  spec.routes.forEach((given, index) => {
    const problem = (field: string, message: string) =>
      problems.push(document.problem(["spec", "routes", index, field], message));
    const { api } = given;
    const like = BUILT_IN.get(api);
    if (like === undefined) {
      problem("api", unknownApi(api));
    } else if (given.includeUsage === true && !like.includeUsage) {
      problem("includeUsage", `expected false: ${api} has no way to be asked for usage`);
    } else routes.push(withPreset(given, like));
  });
  return { object: problems.length > 0 ? null : routes, problems };
}

export const apiRouteKind: PolicyKind<ApiRoute[]> = {
  apiVersion: API_VERSION,
  kind: "ApiRoute",
  schema: ApiRouteSchema,
  load,
};
