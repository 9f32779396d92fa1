/** The sidecar of envoy/kubernetes: what it is told, what it may do. */
import { describe, expect, test } from "vitest";
import { KUBERNETES_USAGE } from "../../../limitador-bridge/cli/kubernetes.ts";
import { MIRRORED_KINDS } from "../../../limitador-bridge/kubernetes/kinds.ts";
import { at, objectIn, type Plain } from "../envoy/files.ts";

interface Container {
  name: string;
  image: string;
  command: string[];
  args: string[];
  env: { name: string; value: string }[];
  securityContext: Plain;
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
}

const FOLDER = "/etc/tollgate/policies/cluster";
const pods = objectIn("kubernetes/budget-service.yaml", "StatefulSet");
const pod = at(pods, "spec", "template", "spec");
const [init] = at<Container[]>(pod, "initContainers");
const [service, sidecar] = at<Container[]>(pod, "containers");

describe.each([
  ["before the service", init as Container, ["--once"], []],
  ["beside the service", sidecar as Container, [], ["--api", "http://127.0.0.1:8080"]],
])("the container %s", (_, container, first, last) => {
  test("mirrors into the folder that the service reads", () => {
    expect([...container.command, ...container.args]).toEqual([
      ...["node", "dist/cli/tollgate.js", "kubernetes", ...first, "--folder", FOLDER, ...last],
    ]);
    const options = container.args.filter((word) => word.startsWith("--"));
    expect(options.filter((option) => !KUBERNETES_USAGE.includes(`  ${option} `))).toEqual([]);
    expect(container.env).toEqual([{ name: "POLICIES", value: "/etc/tollgate/policies" }]);
    expect(container.env).toContainEqual(
      (service as Container).env.find(({ name }) => name === "POLICIES"),
    );
    expect(container.volumeMounts).toEqual([
      { name: "policies", mountPath: "/etc/tollgate/policies/config", readOnly: true },
      { name: "prices", mountPath: "/etc/tollgate/policies/prices", readOnly: true },
      { name: "cluster-policies", mountPath: FOLDER },
      {
        name: "api-access",
        mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
        readOnly: true,
      },
    ]);
  });

  test("may do as little as the service, in the same image", () => {
    expect(container.image).toBe((service as Container).image);
    expect(container.securityContext).toEqual((service as Container).securityContext);
    expect(container.securityContext.readOnlyRootFilesystem).toBe(true);
  });
});

test("the service only reads the folder, and has no access to the API server", () => {
  const mounts = (service as Container).volumeMounts;
  expect(mounts).toContainEqual({ name: "cluster-policies", mountPath: FOLDER, readOnly: true });
  expect(mounts.map(({ name }) => name)).not.toContain("api-access");
  expect(pod.automountServiceAccountToken).toBe(false);
  const volumes = at<Plain[]>(pod, "volumes");
  expect(volumes).toContainEqual({ name: "cluster-policies", emptyDir: {} });
});

test("the role reads every kind, patches the statuses that are written, and nothing else", () => {
  const role = objectIn("kubernetes/policies-from-cluster.yaml", "ClusterRole");
  const rules = at<{ apiGroups: string[]; resources: string[]; verbs: string[] }[]>(role, "rules");
  const given = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}.${group}`)),
    ),
  );
  const needed = MIRRORED_KINDS.flatMap(({ plural, group, ownsStatus }) => [
    `list ${plural}.${group}`,
    `watch ${plural}.${group}`,
    ...(ownsStatus ? [`patch ${plural}/status.${group}`] : []),
  ]);
  expect(given.sort()).toEqual(needed.sort());
  const binding = objectIn("kubernetes/policies-from-cluster.yaml", "ClusterRoleBinding");
  expect(at(binding, "roleRef", "name")).toBe(at(role, "metadata", "name"));
  const account = objectIn("kubernetes/budget-service.yaml", "ServiceAccount");
  expect(at(binding, "subjects", 0)).toEqual({
    kind: "ServiceAccount",
    name: at(account, "metadata", "name"),
    namespace: "tollgate",
  });
  expect(pod.serviceAccountName).toBe(at(account, "metadata", "name"));
});
