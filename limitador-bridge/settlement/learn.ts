/** Learns bytes per token from exchanges whose usage the provider reported. */
import type { SettlementRecord } from "../contract/filter.ts";
import type { Ratios } from "../estimate/ratios.ts";
import type { Metrics } from "../metrics.ts";
import { isCumulative, outputTextBytes } from "../usage/capture.ts";
import { inputTotal, type Usage } from "../usage/normal-form.ts";

/**
 * Learns from one exchange, for the model that served it and for the name it was asked for by.
 * Sound, pictures and reasoning that nobody sees are tokens with no bytes of text: they say
 * nothing. Nor does text that each event repeats.
 */
export function learnRatios(
  ratios: Ratios,
  metrics: Pick<Metrics, "countLearned">,
  record: SettlementRecord,
  usage: Usage,
): void {
  const { tokens } = usage;
  const hasMedia = tokens.inputAudio + tokens.inputImage > 0;
  const isAllText = tokens.reasoning + tokens.outputAudio + tokens.outputImage === 0;
  const inputBytes = hasMedia ? 0 : record.llm.inputBytes;
  const outputBytes = isAllText && !isCumulative(record) ? outputTextBytes(record) : 0;
  const learn = (model: string | null) =>
    ratios.observe(model, inputBytes, inputTotal(tokens), outputBytes, tokens.outputText);
  const errors = learn(usage.model);
  // The second name is no second exchange: its errors are not counted.
  if (record.llm.model !== usage.model) learn(record.llm.model);
  metrics.countLearned(usage.model, ratios.get(usage.model), errors);
}
