/** `tollgate prices …`: chooses the command; errors become a message and exit code 2. */
import { ConfigError } from "../config.ts";
import { isHelp } from "./command-io.ts";
import { diff } from "./prices-diff.ts";
import { importPrices } from "./prices-import.ts";
import { PricesError, type PricesIo } from "./prices-io.ts";
import { list } from "./prices-list.ts";

const PRICES_USAGE = `usage: tollgate prices <command>

  import FILE [--out FILE]  translate LiteLLM's model_prices_and_context_window.json into a
                            PriceTable, on standard output or in a file; what cannot be
                            translated is told on standard error
  diff OLD NEW              what NEW would change; each is "catalogue", a PriceTable file or a
                            LiteLLM JSON; exit code 0: nothing, 1: something
  list [MODEL]              the prices in force, or the one that a model has

list reads the folders of the variables POLICIES and PRICES.
`;

const FOUND_WRONG = 2;

/** Runs a command. Returns the exit code. */
export async function prices(args: string[], io: PricesIo): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined || isHelp(command) || rest.includes("--help")) {
    io.stdout(PRICES_USAGE);
    return 0;
  }
  try {
    if (command === "import") return await importPrices(rest, io);
    if (command === "diff") return await diff(rest, io);
    if (command === "list") return await list(rest, io);
    throw new PricesError(`unknown command "${command}"\n\n${PRICES_USAGE.trimEnd()}`);
  } catch (error) {
    if (!(error instanceof PricesError) && !(error instanceof ConfigError)) throw error;
    io.stderr(`tollgate prices: ${error.message}\n`);
    return FOUND_WRONG;
  }
}
