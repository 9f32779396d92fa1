/**
 * Systems of several models behind the Responses API (Sakana's Fugu) bill what these say to each
 * other on top of the request's own tokens, and have it in the total.
 */
import type { Figures } from "../figures.ts";

export interface Orchestration {
  /** Cached tokens included. */
  input: number;
  cached: number;
  output: number;
}

const NONE: Orchestration = { input: 0, cached: 0, output: 0 };
const INPUT = ["input_tokens_details.orchestration_input_tokens", "orchestration_input_tokens"];
const CACHED = [
  "input_tokens_details.orchestration_input_cached_tokens",
  "orchestration_input_cached_tokens",
];
const OUTPUT = ["output_tokens_details.orchestration_output_tokens", "orchestration_output_tokens"];

/**
 * Reads the tokens to be added.
 * @param own the request's own input and output tokens; a total of just these has all in it
 */
export function readOrchestration(figures: Figures, own: number): Orchestration {
  const input = figures.part(...INPUT);
  const cached = figures.part(...CACHED);
  const output = figures.part(...OUTPUT);
  const total = figures.part("total_tokens");
  if (input + cached + output === 0 || total === own) return NONE;
  const isCachedBeside = cached > input || total === own + input + cached + output;
  return { input: isCachedBeside ? input + cached : input, cached, output };
}
