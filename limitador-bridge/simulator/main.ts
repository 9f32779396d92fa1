/** Runs the simulator by itself: SIMULATOR_PORT (8000), SIMULATOR_HOST (127.0.0.1). */
import { startSimulator } from "./simulator.ts";

const host = process.env.SIMULATOR_HOST ?? "127.0.0.1";
const port = Number(process.env.SIMULATOR_PORT ?? "8000");
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  process.stderr.write(
    `SIMULATOR_PORT: expected a port from 0 to 65535, got ${process.env.SIMULATOR_PORT}\n`,
  );
  process.exit(2);
}

try {
  const simulator = await startSimulator({ host, port });
  process.stdout.write(`simulator listens on http://${host}:${simulator.port}\n`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void simulator.close().then(() => process.exit(0)));
  }
} catch (error) {
  process.stderr.write(`simulator: ${(error as Error).message}\n`);
  process.exit(1);
}
