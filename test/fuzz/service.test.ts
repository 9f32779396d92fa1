/** Bad messages against the service. */
import { describe, test } from "vitest";
import { isWanted, runCorpus } from "./corpus.ts";
import { serviceCorpora } from "./service-corpora.ts";

const corpora = (await serviceCorpora()).filter(({ name }) => isWanted(name));

describe.skipIf(corpora.length === 0)("the service", () => {
  for (const corpus of corpora) test(corpus.name, { timeout: 0 }, () => runCorpus(corpus));
});
