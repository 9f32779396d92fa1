/** How many output tokens one choice of an answer usually has, learned for each model. */
import { dropOldest } from "../drop-oldest.ts";

/** Weight of a new observation. */
const WEIGHT = 0.05;
const MAX_MODELS = 2000;

export interface OutputLengths {
  /** The moving mean, rounded up; null: nothing was seen of this model. */
  usual(model: string | null): number | null;
  observe(model: string | null, outputTokens: number): void;
}

/** An empty memory. */
export function createOutputLengths(): OutputLengths {
  const means = new Map<string, number>();
  return {
    usual(model) {
      const mean = means.get(model ?? "");
      return mean === undefined ? null : Math.ceil(mean);
    },
    observe(model, outputTokens) {
      const name = model ?? "";
      const former = means.get(name) ?? outputTokens;
      // Set anew, so that the map stays in the order of use.
      means.delete(name);
      means.set(name, former + WEIGHT * (outputTokens - former));
      dropOldest(means, MAX_MODELS);
    },
  };
}
