/** What a quota counts: requests, or an amount that the answer names. Pure. */
import type { Attachment } from "./krakend-config.ts";
import type { SourceFile } from "./source-file.ts";

export interface Weight {
  unit: "requests" | "total" | "input" | "output";
  /** Where the answer has the amount, if it is not a usage object that every API has. */
  totalTokensPointer?: string;
  /** The unit is not the one that amounts were chosen for, so that nothing may be refused. */
  isGuess?: boolean;
}

const TOKEN_NAMES: [RegExp, Weight["unit"]][] = [
  [/(input|prompt)_?tokens?(_?count)?$/, "input"],
  [/(output|completion|candidates|generated)_?tokens?(_?count)?$/, "output"],
  [/(^|[^a-z])(total_?)?tokens?(_?(used|count))?$/, "total"],
];

/** The unit of an attachment's limits; what is counted otherwise than it was is remarked on. */
export function weightOf(attachment: Attachment, source: SourceFile): Weight {
  const { weightKey, weightStrategy, endpoint } = attachment;
  if (weightKey === "") return { unit: "requests" };
  const path = [...attachment.path, "weight_key"];
  if (endpoint === null) {
    source.remark(path, "ignored for a service, as KrakenD does: requests are counted");
    return { unit: "requests" };
  }
  const name = weightKey.toLowerCase().replaceAll("-", "_");
  const known = TOKEN_NAMES.find(([pattern]) => pattern.test(name));
  if (known !== undefined) return { unit: known[1] };
  if (weightStrategy === "header") {
    source.remark(
      path,
      `no amount can be read from the header "${weightKey}": tokens are counted instead, ` +
        "in shadow mode until the limits are amounts of tokens",
    );
    return { unit: "total", isGuess: true };
  }
  const pointer = weightKey
    .split(".")
    .map((part) => `/${part.replace(/~/g, "~0").replace(/\//g, "~1")}`);
  const totalTokensPointer = pointer.join("");
  source.remark(
    path,
    `counted as tokens, read at ${totalTokensPointer} of the answer; an answer with a usage ` +
      "object of its own counts the tokens that it names there",
  );
  return { unit: "total", totalTokensPointer };
}
