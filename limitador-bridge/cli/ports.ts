/** Ports of this machine: which one is free, and whether one is. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { urlHost } from "./address.ts";
import { SettingError } from "./up-settings.ts";

/** A port that a part is to listen on, and the variable that says so. */
export interface WantedPort {
  variable: string;
  host: string;
  port: number;
}

/** A port on which nobody listened a moment ago, and none of `others`. Throws what listen does. */
export async function freePort(host: string, others: readonly WantedPort[]): Promise<number> {
  for (;;) {
    const found = await listenOnce(host, 0);
    if (others.every(({ port }) => port !== found)) return found;
  }
}

/**
 * Tells of the first port that is wanted twice, or that another process listens on. Envoy shares
 * its port with another Envoy (SO_REUSEPORT) without a word, so that it would not say so itself.
 * @throws SettingError
 */
export async function checkFree(wanted: readonly WantedPort[]): Promise<void> {
  for (const [index, { variable, host, port }] of wanted.entries()) {
    const other = wanted.slice(0, index).find((before) => before.port === port);
    if (other !== undefined) {
      throw new SettingError(
        `${variable}: expected a port of its own, found ${port}, which is ${other.variable} too`,
      );
    }
    try {
      await listenOnce(host, port);
    } catch (cause) {
      // Whatever else is wrong need not be so for the part, whose rights may be others than ours.
      if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") continue;
      throw new SettingError(
        `${variable}: expected a free port, found ${urlHost(host)}:${port}, where another ` +
          `process listens; set ${variable}`,
        { cause },
      );
    }
  }
}

async function listenOnce(host: string, port: number): Promise<number> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  await once(server, "listening");
  const taken = (server.address() as AddressInfo).port;
  server.close();
  await once(server, "close");
  return taken;
}
