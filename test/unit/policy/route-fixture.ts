/** HTTPRoutes, and policies for them, as texts. */
import { policy } from "./fixture.ts";

/** One limit of 1 token an hour for each name. */
export function limitsText(...names: string[]): string {
  return `{${names.map((name) => `${name}: {rates: [{limit: 1, window: 1h}]}`).join(", ")}}`;
}

/** A policy named `name` with bare limits. */
export function onRoute(route: string, name: string, ...limits: string[]): string {
  return policy(`  limits: ${limitsText(...limits)}\n`, { name, kind: "HTTPRoute", target: route });
}

/** … for one section. */
export function onSection(target: string, section: string, name: string, ...limits: string[]) {
  return onRoute(target, name, ...limits).replace("}\n", `, sectionName: ${section}}\n`);
}

/** … for a Gateway. */
export function onGateway(gateway: string, name: string, ...limits: string[]): string {
  return policy(`  limits: ${limitsText(...limits)}\n`, { name, target: gateway });
}

/** … with limits of this role and strategy. */
export function withRole(text: string, role: "defaults" | "overrides", strategy: string): string {
  return text
    .replace("  limits: {", `  ${role}: {strategy: ${strategy}, limits: {`)
    .concat("  }\n");
}

/** An HTTPRoute with this spec, in flow style: what people's files say of other things included. */
export function httpRoute(name: string, spec: string, metadata = ""): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, labels: {app: llm}${metadata}}
spec: ${spec}
status: {parents: []}
`;
}

/** Matches that one path prefix takes. */
export function prefix(path: string, more = ""): string {
  return `{path: {type: PathPrefix, value: ${path}}${more}}`;
}

export function files(...texts: string[]): string {
  return texts.join("---\n");
}
