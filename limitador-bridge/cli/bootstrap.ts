/**
 * Envoy's bootstrap from its template: placeholders filled in, TLS towards an https upstream, one
 * endpoint for each service process.
 */
import { isIP } from "node:net";
import { type Document, isMap, isSeq, parseDocument, type YAMLMap } from "yaml";

export interface BootstrapValues {
  upstream: URL;
  /** PEM file of the authorities an https upstream is checked by; null: the public ones. */
  upstreamCa: string | null;
  proxyHost: string;
  proxyPort: number;
  adminHost: string;
  adminPort: number;
  apiHost: string;
  /** One for each service process. */
  apiPorts: number[];
  wasmPath: string;
  /** Bearer token of the service; null: none is asked for. */
  token: string | null;
}

/** Where Debian, Alpine and most images keep the certificates of public authorities. */
const CA_FILE = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Renders the template to YAML.
 * @throws Error that names a placeholder it cannot fill, a cluster that the template lacks, or the
 *   setting that a `transport_socket` of the template's own leaves nothing to do
 */
export function renderBootstrap(template: string, values: BootstrapValues): string {
  const document = parseDocument(fill(template, values));
  if (document.errors[0]) throw document.errors[0];
  if (values.upstream.protocol === "https:") addTls(document, values);
  addReplicas(document, values.apiPorts);
  if (values.token !== null) addToken(document, values.token);
  return String(document);
}

function fill(template: string, values: BootstrapValues): string {
  const { upstream } = values;
  const known: Record<string, string> = {
    PROXY_HOST: values.proxyHost,
    PROXY_PORT: String(values.proxyPort),
    ADMIN_HOST: values.adminHost,
    ENVOY_ADMIN_PORT: String(values.adminPort),
    API_HOST: values.apiHost,
    API_PORT: String(values.apiPorts[0]),
    UPSTREAM_HOST: hostOf(upstream),
    UPSTREAM_PORT: upstream.port || (upstream.protocol === "https:" ? "443" : "80"),
    TOLLGATE_WASM: values.wasmPath,
  };
  // A quoted placeholder that is a port must become a number, so the quotes go with it.
  return template.replace(/"\$\{(\w+)\}"|\$\{(\w+)\}/g, (_, quoted?: string, bare?: string) => {
    const name = quoted ?? bare ?? "";
    const value = known[name];
    if (value === undefined) throw new Error(`the bootstrap template has an unknown \${${name}}`);
    if (quoted === undefined) return value;
    return name.endsWith("PORT") ? value : JSON.stringify(value);
  });
}

/** The name or address of a URL; of IPv6 without brackets. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

function cluster(document: Document, name: string): YAMLMap {
  const clusters = document.getIn(["static_resources", "clusters"]);
  const found = isSeq(clusters)
    ? clusters.items.find((item) => isMap(item) && item.get("name") === name)
    : undefined;
  if (!isMap(found)) throw new Error(`the bootstrap template has no cluster named ${name}`);
  return found;
}

/** A template that has its own `transport_socket` for the upstream keeps it. */
function addTls(document: Document, { upstream, upstreamCa }: BootstrapValues): void {
  const found = cluster(document, "upstream");
  if (found.has("transport_socket")) {
    if (upstreamCa === null) return;
    throw new Error(
      "UPSTREAM_CA: expected none, since the cluster upstream of the bootstrap template has a " +
        "transport_socket of its own",
    );
  }
  const host = hostOf(upstream);
  const isAddress = isIP(host) !== 0;
  found.set(
    "transport_socket",
    document.createNode({
      name: "envoy.transport_sockets.tls",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        // Server names are never addresses (RFC 6066).
        ...(isAddress ? {} : { sni: host }),
        common_tls_context: {
          validation_context: {
            trusted_ca: { filename: upstreamCa ?? CA_FILE },
            match_typed_subject_alt_names: [
              { san_type: isAddress ? "IP_ADDRESS" : "DNS", matcher: { exact: host } },
            ],
          },
        },
      },
    }),
  );
}

/**
 * With more than one service, one that does not answer gets no calls: an ask that fails is an ask
 * that the failure mode decides. The first that fails takes it out, and it comes back when it
 * answers again. What a service answers, be it a 503, is its decision and takes nothing out.
 */
const ONE_OF_SEVERAL = {
  outlier_detection: {
    split_external_local_origin_errors: true,
    consecutive_local_origin_failure: 1,
    enforcing_consecutive_local_origin_failure: 100,
    enforcing_consecutive_5xx: 0,
    enforcing_consecutive_gateway_failure: 0,
    enforcing_success_rate: 0,
    enforcing_local_origin_success_rate: 0,
    interval: "0.2s",
    base_ejection_time: "2s",
    max_ejection_time: "2s",
    max_ejection_percent: 100,
  },
  health_checks: [
    {
      http_health_check: { path: "/healthz", host: "tollgate" },
      timeout: "1s",
      interval: "1s",
      no_traffic_interval: "1s",
      unhealthy_threshold: 1,
      healthy_threshold: 1,
    },
  ],
  // Where none is left, all are tried.
  common_lb_config: { healthy_panic_threshold: { value: 1 } },
};

function addReplicas(document: Document, ports: number[]): void {
  const path = ["load_assignment", "endpoints", 0, "lb_endpoints"];
  const service = cluster(document, "tollgate");
  const endpoints = service.getIn(path);
  if (!isSeq(endpoints))
    throw new Error("the bootstrap template's cluster tollgate has no endpoint");
  const first = endpoints.items[0];
  for (const port of ports.slice(1)) {
    const copy = isMap(first) ? (first.clone() as YAMLMap) : undefined;
    copy?.setIn(["endpoint", "address", "socket_address", "port_value"], port);
    endpoints.add(copy);
  }
  if (ports.length < 2) return;
  for (const [field, value] of Object.entries(ONE_OF_SEVERAL)) {
    if (!service.has(field)) service.set(field, document.createNode(value));
  }
}

/** The token goes into the plugin configuration of every tollgate filter in the template. */
function addToken(document: Document, token: string): void {
  const filters = document.getIn([
    ...["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config"],
    "http_filters",
  ]);
  if (!isSeq(filters)) return;
  for (const filter of filters.items) {
    if (!isMap(filter) || filter.get("name") !== "tollgate") continue;
    const path = ["typed_config", "config", "configuration", "value"];
    const configuration: unknown = JSON.parse(String(filter.getIn(path)));
    filter.setIn(path, JSON.stringify({ ...(configuration as object), token }, null, 2));
  }
}
