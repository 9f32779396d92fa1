/**
 * Reserves and settles for ever on the embedded store in a folder, and prints each id once the
 * store has acknowledged it: `h ID` held, `s ID` settled. Of every four holds one is left alone.
 */
import { writeSync } from "node:fs";
import { openEmbeddedStore } from "../../../limitador-bridge/ledger/store/embedded.ts";
import { claim, reservation, settlement } from "../contract/fixture.ts";

const clients = 16;
export const perExchange = 3;
export const heldEach = 10;
export const onExpiry = 2;
export const claims = [
  claim({
    limit: 1_000_000_000,
    reserve: heldEach,
    onExpiry,
    window: { kind: "calendar", period: "month", timeZone: "UTC" },
  }),
];

export default async function settleLoop(path: string, round: string): Promise<void> {
  const store = await openEmbeddedStore(path);
  const say = (line: string) => writeSync(1, `${line}\n`);
  const work = async (client: number) => {
    for (let n = 0; ; n += 1) {
      const id = `${round}-${client}-${n}`;
      await store.reserve(reservation(id, claims, { holdMs: 60_000 }));
      say(`h ${id}`);
      if (n % 4 === 0) continue;
      await store.settle([settlement(id, perExchange, claims)]);
      say(`s ${id}`);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => work(client)));
}
