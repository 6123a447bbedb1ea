/*
 * Ports for members of a drill. A port that the kernel gives out (port 0) lies in the range from which it takes the near
 * ends of connections, too: while its member is down, any connection of this machine may take it, and the member cannot
 * listen when it comes back. So ports below that range are tried.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below 32,768, where Linux' range begins unless it was moved (ip_local_port_range), and above what services use. */
const range = { from: 10_000, to: 30_000 } as const;

/** So many ports of 127.0.0.1 that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = randomInt(range.from, range.to);
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
