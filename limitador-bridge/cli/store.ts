/** `tollgate store`: chooses among the commands for stores. */
import { STORE_COPY_USAGE, storeCopy } from "./store-copy.ts";

/** Returns the exit code. */
export async function store([command, ...args]: string[]): Promise<number> {
  if (command === "copy") return await storeCopy(args);
  console.log(STORE_COPY_USAGE);
  return command === undefined || command === "help" || command === "--help" ? 0 : 2;
}
