/**
 * The attributes that an expression may read, by CEL root: one table that the type checker, the
 * filter config and the activation are all made from. Names and meanings are Envoy's
 * (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes).
 */
export type FieldType = "string" | "int" | "bool" | "timestamp";

export interface AttributeField {
  type: FieldType;
  /** The Envoy property that it is made from; null: it is not a property. */
  property: string | null;
}
export type FieldTable = ReadonlyMap<string, AttributeField>;

export const TYPED_ROOTS = ["request", "source", "destination", "connection", "llm"] as const;
export type TypedRoot = (typeof TYPED_ROOTS)[number];

/** Everything an expression can begin with. */
export const ROOT_NAMES: readonly string[] = [...TYPED_ROOTS, "metadata", "filter_state", "auth"];

/** Names that stand for no attribute: namespaces of functions, and types. */
export const CONSTANT_NAMES: ReadonlySet<string> = new Set(
  "cel optional strings google int uint double bool string bytes list map type null_type".split(
    " ",
  ),
);

function table(root: TypedRoot, names: Partial<Record<FieldType, string[]>>): FieldTable {
  const fields = new Map<string, AttributeField>();
  for (const [type, list] of Object.entries(names)) {
    for (const name of list) {
      const property = root === "llm" ? null : `${root}.${name}`;
      fields.set(name, { type: type as FieldType, property });
    }
  }
  return fields;
}

function requestTable(): FieldTable {
  const fields = new Map(
    table("request", {
      string: ["method", "host", "scheme", "protocol", "id", "useragent", "referer"],
      int: ["size", "total_size"],
      timestamp: ["time"],
    }),
  );
  // All three are cut from one property, so that none can disagree with the others.
  for (const name of ["path", "url_path", "query"]) {
    fields.set(name, { type: "string", property: "request.path" });
  }
  return fields;
}

function sourceTable(): FieldTable {
  const fields = new Map(table("source", { string: ["address"], int: ["port"] }));
  // Kuadrant's name for the address without the port.
  return fields.set("remote_address", { type: "string", property: "source.address" });
}

/** Fields with a fixed type, by root. `request.headers` and `request.auth` are not among them. */
export const FIELDS: Readonly<Record<TypedRoot, FieldTable>> = {
  request: requestTable(),
  source: sourceTable(),
  destination: table("destination", { string: ["address"], int: ["port"] }),
  connection: table("connection", {
    int: ["id"],
    bool: ["mtls"],
    string: [
      "requested_server_name",
      "tls_version",
      "subject_local_certificate",
      "subject_peer_certificate",
      "dns_san_local_certificate",
      "dns_san_peer_certificate",
      "uri_san_local_certificate",
      "uri_san_peer_certificate",
      "sha256_peer_certificate_digest",
    ],
  }),
  llm: table("llm", {
    string: ["api", "model"],
    bool: ["stream"],
    int: ["maxOutputTokens", "choices", "inputBytes"],
  }),
};

/** Whether `name` is one of the roots whose fields have fixed types. */
export function isTypedRoot(name: string): name is TypedRoot {
  return (TYPED_ROOTS as readonly string[]).includes(name);
}

/** The name that Envoy keeps Host under. */
export const HOST_HEADER = ":authority";

/**
 * A header under the name that the filter is asked for it by: names have no letter case, and Envoy
 * keeps Host as `:authority`.
 */
export function headerName(name: string): string {
  const lower = name.toLowerCase();
  return lower === "host" ? HOST_HEADER : lower;
}

/** Where the authentication filters leave what they found; later ones win in `auth`. */
export const AUTH_NAMESPACES = ["envoy.filters.http.jwt_authn", "envoy.filters.http.ext_authz"];
