/** The policies and prices in force, and what happens when their files change. */
import { join, sep } from "node:path";
import type { Metrics } from "../metrics.ts";
import { type LoadedPolicies, type LoadOptions, problemText } from "../policy/load.ts";
import type { PolicyDocument } from "../policy/policy-file.ts";
import type { PolicyProblem, PolicySet } from "../policy/policy-set.ts";
import { type PolicyWatch, watchPolicies } from "../policy/watch.ts";
import type { Log, Prices } from "./ports.ts";

export interface InForce {
  policies: () => PolicySet;
  prices: () => Prices;
  /** Ends the watches. What is in force stays. */
  close(): Promise<void>;
}

export interface WatchedFolder {
  dir: string;
  initial: LoadedPolicies;
  /** As the initial ones were loaded. */
  load: Omit<LoadOptions, "previous">;
}

export interface InForceParts {
  policies: WatchedFolder;
  /** null: there are no price tables but those among the policies. */
  prices: WatchedFolder | null;
  makePrices: (policies: LoadedPolicies, prices: LoadedPolicies | null) => Prices;
  /** Told what is in force, at the start and after each change. */
  onInForce?: (documents: PolicyDocument[]) => void;
  metrics: Metrics;
  log: Log;
}

/** Serves what was loaded at start, and after each change of a folder what was good of it. */
export function keepInForce(parts: InForceParts): InForce {
  const { makePrices } = parts;
  let policies = parts.policies.initial;
  let tables = parts.prices?.initial ?? null;
  let prices = makePrices(policies, tables);
  const tell = () => parts.onInForce?.([...policies.documents, ...(tables?.documents ?? [])]);
  tell();
  const watches = [
    watchFolder(parts, parts.policies, "policies", (loaded) => {
      prices = makePrices(loaded, tables);
      policies = loaded;
      tell();
    }),
  ];
  if (parts.prices !== null) {
    const watch = watchFolder(parts, parts.prices, "prices", (loaded) => {
      prices = makePrices(policies, loaded);
      tables = loaded;
      tell();
    });
    watches.push(watch);
  }
  return {
    policies: () => policies.set,
    prices: () => prices,
    close: async () => {
      await Promise.all(watches.map((watch) => watch.close()));
    },
  };
}

/** What a problem means for what is in force. */
function consequence({ files }: LoadedPolicies, dir: string, { file }: PolicyProblem): string {
  const isFolder = [...files.keys()].some((each) => each.startsWith(join(file, sep)));
  if (file === dir || isFolder) return "what the folder held stays in force";
  const isServing = (files.get(file)?.serving ?? null) !== null;
  return isServing ? "the last good version serves" : "it is not in force";
}

function watchFolder(
  { metrics, log }: InForceParts,
  folder: WatchedFolder,
  what: "policies" | "prices",
  use: (loaded: LoadedPolicies) => void,
): PolicyWatch {
  const subject = what === "policies" ? "policy" : "price";
  let warned = new Set(folder.initial.warnings.map(problemText));
  return watchPolicies({
    ...folder,
    onChange(loaded) {
      use(loaded);
      const { problems } = loaded;
      metrics.policyReloads.inc({ result: problems.length === 0 ? "accepted" : "rejected" });
      for (const problem of problems) {
        log.error(
          { problem: problemText(problem) },
          `${subject} problem: ${consequence(loaded, folder.dir, problem)}`,
        );
      }
      const warnings = new Set(loaded.warnings.map(problemText));
      for (const warning of warnings) {
        if (!warned.has(warning)) log.warn({ warning }, `${subject} warning`);
      }
      warned = warnings;
      const { version } = loaded.set;
      log.info({ version, problems: problems.length }, `${what} reloaded`);
    },
    onError(error) {
      metrics.policyReloads.inc({ result: "failed" });
      log.error({ err: error }, `${what} not reloaded: the last good ones serve`);
    },
  });
}
