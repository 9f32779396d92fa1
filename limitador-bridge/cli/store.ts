/** `tollgate store`: chooses among the commands for stores. */
import { isHelp } from "./command-io.ts";
import { STORE_COPY_USAGE, storeCopy } from "./store-copy.ts";

/** Returns the exit code. */
export async function store([command, ...args]: string[]): Promise<number> {
  if (command === undefined || isHelp(command) || args.includes("--help")) {
    console.log(STORE_COPY_USAGE);
    return 0;
  }
  if (command === "copy") return await storeCopy(args);
  console.error(`tollgate store: unknown command "${command}"\n\n${STORE_COPY_USAGE}`);
  return 2;
}
