/** The bootstrap of `make up`, as the chains of the bench need it. */
import { type Document, isMap, isSeq, parseDocument, type YAMLSeq } from "yaml";

const HTTP_FILTERS = [
  ...["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config"],
  "http_filters",
];

/** Without the Lua filter that stands in for authentication: nothing of it is to be measured. */
export function withoutDemoIdentity(bootstrap: string): string {
  return withoutNamed(bootstrap, HTTP_FILTERS, "demo-identity");
}

/** Without the tollgate filter and the cluster that it calls: Envoy alone. */
export function withoutTollgate(bootstrap: string): string {
  const plain = withoutNamed(bootstrap, HTTP_FILTERS, "tollgate");
  return withoutNamed(plain, ["static_resources", "clusters"], "tollgate");
}

/** Throws where there is no such item: then something else is measured than is said. */
function withoutNamed(bootstrap: string, path: (string | number)[], name: string): string {
  const document = parseDocument(bootstrap);
  const items = listAt(document, path);
  const at = items.items.findIndex((item) => isMap(item) && item.get("name") === name);
  if (at < 0) throw new Error(`the bootstrap has no ${name} in ${path.join(".")}`);
  items.delete(at);
  return String(document);
}

function listAt(document: Document, path: (string | number)[]): YAMLSeq {
  const found = document.getIn(path);
  if (isSeq(found)) return found;
  throw new Error(`the bootstrap has no list at ${path.join(".")}`);
}
