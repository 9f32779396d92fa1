/** What becomes of the bootstrap template where the upstream speaks TLS. */
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type BootstrapValues, renderBootstrap } from "../../../limitador-bridge/cli/bootstrap.ts";

const TEMPLATE = `
static_resources:
  clusters:
  - name: upstream
    address: "\${UPSTREAM_HOST}"
    port: "\${UPSTREAM_PORT}"
  - name: tollgate
    load_assignment: {endpoints: [{lb_endpoints: [{}]}]}
`;
const PUBLIC = "/etc/ssl/certs/ca-certificates.crt";
const TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

function upstreamCluster(upstream: string, given: Partial<BootstrapValues> = {}, own = "") {
  return clusters(upstream, given, "", own)[0];
}

/** Rendered with fields of one's own for the cluster of the service, and for the upstream's. */
function clusters(
  upstream: string,
  given: Partial<BootstrapValues>,
  ofService: string,
  ofUpstream = "",
) {
  const template = TEMPLATE.replace("  - name: tollgate\n", `${ofUpstream}$&${ofService}`);
  const rendered = renderBootstrap(template, {
    upstream: new URL(upstream),
    upstreamCa: null,
    proxyHost: "127.0.0.1",
    proxyPort: 1,
    adminHost: "127.0.0.1",
    adminPort: 2,
    apiHost: "127.0.0.1",
    apiPorts: [3],
    wasmPath: "/none",
    token: null,
    ...given,
  });
  return parse(rendered).static_resources.clusters;
}

const socket = (names: object, type: string, exact: string, filename = PUBLIC) => ({
  name: "envoy.transport_sockets.tls",
  typed_config: {
    "@type": TYPE,
    ...names,
    common_tls_context: {
      validation_context: {
        trusted_ca: { filename },
        match_typed_subject_alt_names: [{ san_type: type, matcher: { exact } }],
      },
    },
  },
});

describe("an https upstream", () => {
  test("by name: its certificate is for that name, which it is told", () => {
    expect(upstreamCluster("https://api.example.com")).toEqual({
      name: "upstream",
      address: "api.example.com",
      port: 443,
      transport_socket: socket({ sni: "api.example.com" }, "DNS", "api.example.com"),
    });
  });

  test.each([
    ["https://127.0.0.1:8443", "127.0.0.1"],
    ["https://[::1]:8443", "::1"],
    ["https://[2001:DB8:0::7]:8443", "2001:db8::7"],
  ])("by address, %s: its certificate is for the address, and no name is told", (url, address) => {
    expect(upstreamCluster(url)).toEqual({
      name: "upstream",
      address,
      port: 8443,
      transport_socket: socket({}, "IP_ADDRESS", address),
    });
  });

  test("with authorities of one's own", () => {
    const { transport_socket } = upstreamCluster("https://localhost", { upstreamCa: "/my/ca.pem" });
    expect(transport_socket).toEqual(
      socket({ sni: "localhost" }, "DNS", "localhost", "/my/ca.pem"),
    );
  });

  test("a transport_socket of the template's own stays, and takes no UPSTREAM_CA", () => {
    const own = "    transport_socket: {name: mine}\n";
    expect(upstreamCluster("https://localhost", {}, own).transport_socket).toEqual({
      name: "mine",
    });
    expect(() => upstreamCluster("https://localhost", { upstreamCa: "/my/ca.pem" }, own)).toThrow(
      "UPSTREAM_CA: expected none, since the cluster upstream of the bootstrap template has a " +
        "transport_socket of its own",
    );
  });
});

test("an http upstream has no TLS", () => {
  expect(upstreamCluster("http://[::1]")).toEqual({ name: "upstream", address: "::1", port: 80 });
});

describe("several services", () => {
  const serviceCluster = (apiPorts: number[], own = "") => {
    const [, found] = clusters("http://localhost", { apiPorts }, own);
    return found;
  };

  test("each has its endpoint, and one that does not answer gets no calls", () => {
    const found = serviceCluster([3, 4]);
    const [, second] = found.load_assignment.endpoints[0].lb_endpoints;
    expect(second.endpoint.address.socket_address).toEqual({ port_value: 4 });
    // A 503 of a service is an answer.
    expect(found.outlier_detection).toMatchObject({
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 1,
      enforcing_consecutive_5xx: 0,
      enforcing_consecutive_gateway_failure: 0,
      max_ejection_percent: 100,
    });
    expect(found.health_checks[0]).toMatchObject({
      http_health_check: { path: "/healthz", host: "tollgate" },
      no_traffic_interval: "1s",
    });
    expect(found.common_lb_config).toEqual({ healthy_panic_threshold: { value: 1 } });
  });

  test("one alone is always called", () => {
    expect(Object.keys(serviceCluster([3]))).toEqual(["name", "load_assignment"]);
  });

  test("what the template says itself stays", () => {
    const found = serviceCluster([3, 4], "    health_checks: []\n");
    expect(found.health_checks).toEqual([]);
  });
});
