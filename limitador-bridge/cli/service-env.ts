/** The variables that `tollgate up` gives to one of its budget services. Pure. */
import { join } from "node:path";
import type { UpSettings } from "./up-settings.ts";

/**
 * The launcher's own variables with those of this process. A journal is of one process alone, and
 * so is a state folder: where there are several, each has a folder of its port in the one named.
 * @param port that it is to listen on
 */
export function serviceEnv(
  env: NodeJS.ProcessEnv,
  { policies, store, replicas }: Pick<UpSettings, "policies" | "store" | "replicas">,
  port: number,
): NodeJS.ProcessEnv {
  const { JOURNAL, STATE } = env;
  return {
    ...env,
    API_PORT: String(port),
    STORE: store,
    ...(JOURNAL ? { JOURNAL: join(JOURNAL, String(port)) } : {}),
    ...(STATE && replicas > 1 ? { STATE: join(STATE, String(port)) } : {}),
    POLICIES: policies,
    LOG_LEVEL: env.LOG_LEVEL || "warn",
  };
}
