import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { LinkNetwork } from "../../chaos/link/proxy.ts";
import { senderOf, whySendersAreUnknown } from "../../chaos/link/sender.ts";
import { seededRandom } from "../../chaos/member/random.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Member "b": echoes whatever it gets, and can speak first. */
async function startEcho(): Promise<{ readonly port: number; readonly received: string[]; say(text: string): void }> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      received.push(bytes.toString());
      socket.write(`echo ${bytes}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    received,
    say: (text) => {
      for (const socket of sockets) if (!socket.destroyed) socket.write(text);
    },
  };
}

interface Dialler {
  readonly socket: Socket;
  readonly received: string[];
  readonly closed: Promise<void>;
}
async function dial(port: number): Promise<Dialler> {
  const socket = connect(port, "127.0.0.1");
  closers.push(() => socket.destroy());
  const received: string[] = [];
  socket.on("data", (bytes) => received.push(bytes.toString()));
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return { socket, received, closed };
}

/** Waits for a condition that must come; fails the test after a bound. */
async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (holds()) return;
    await pause(10);
  }
  throw new Error(`never: ${what}`);
}

const hopTo = (links: LinkNetwork, port: number): Promise<number> =>
  links.addHop("b", { at: "127.0.0.1", to: { host: "127.0.0.1", port } });

async function network(): Promise<{
  readonly links: LinkNetwork;
  readonly echo: Awaited<ReturnType<typeof startEcho>>;
  readonly hop: number;
}> {
  const echo = await startEcho();
  // This test's own process plays member "a".
  const links = new LinkNetwork({
    senderOf: (dialled) => senderOf(dialled, [{ name: "a", pid: process.pid }]),
    random: seededRandom("proxy-test"),
  });
  closers.push(() => links.close());
  return { links, echo, hop: await hopTo(links, echo.port) };
}

// Elsewhere no sender is known, and drills say so instead of cutting links.
describe.skipIf(whySendersAreUnknown() !== undefined)("a hop in front of a member", () => {
  test("passes bytes both ways while nothing is cut", async () => {
    const { links, echo, hop } = await network();
    const a = await dial(hop);
    a.socket.write("one");
    await until(() => a.received.join("") === "echo one", "the echo");
    expect(echo.received).toEqual(["one"]);
    expect(links.unknownSenders).toBe(0);
  });

  test("a one-way cut loses what the dialler sends and still carries what the other end says", async () => {
    const { links, echo, hop } = await network();
    const a = await dial(hop);
    a.socket.write("before");
    await until(() => a.received.length === 1, "the first echo");
    links.cutOneWay({ from: "a", to: "b" });
    a.socket.write("lost");
    echo.say("still heard");
    await until(() => a.received.includes("still heard"), "the other way");
    await pause(50);
    expect(echo.received).toEqual(["before"]);
  });

  test("a cut of the answers' direction lets requests through and loses the answers", async () => {
    const { links, echo, hop } = await network();
    const a = await dial(hop);
    links.cutOneWay({ from: "b", to: "a" });
    a.socket.write("request");
    await until(() => echo.received.includes("request"), "the request");
    await pause(50);
    expect(a.received).toEqual([]);
  });

  test("healing resets connections that lost bytes, so no later byte follows a hole; new ones work", async () => {
    const { links, echo, hop } = await network();
    const a = await dial(hop);
    const untouched = await dial(hop);
    links.cutOneWay({ from: "a", to: "b" });
    a.socket.write("lost");
    await pause(50);
    links.heal();
    await a.closed;
    untouched.socket.write("fine");
    await until(() => untouched.received.join("") === "echo fine", "the untouched connection");
    const again = await dial(hop);
    again.socket.write("again");
    await until(() => again.received.join("") === "echo again", "a new connection");
    expect(echo.received).not.toContain("lost");
  });

  test("clogged links hold back both ways, and healing lets everything through without a reset", async () => {
    const { links, echo, hop } = await network();
    const { socket, received } = await dial(hop);
    socket.write("before ");
    await until(() => received.join("").includes("echo before"), "an answer");
    links.clog("b");
    socket.write("held ");
    echo.say("said ");
    await pause(100);
    expect(echo.received.join("")).toBe("before ");
    expect(received.join("")).toBe("echo before ");
    links.heal();
    await until(() => received.join("").includes("echo held"), "the answer to what was held back");
    expect(received.join("")).toBe("echo before said echo held ");
    expect(socket.destroyed).toBe(false);
  });

  test("delay keeps the order of the bytes", async () => {
    const { links, echo, hop } = await network();
    links.setLaw({ minDelayMs: 1, maxDelayMs: 40, resetPpm: 0 });
    const a = await dial(hop);
    a.socket.setNoDelay(true);
    for (let number = 0; number < 30; number++) {
      a.socket.write(`${number},`);
      await pause(1);
    }
    await until(() => echo.received.join("").split(",").length === 31, "all pieces");
    expect(echo.received.join("")).toBe(`${Array.from({ length: 30 }, (_, number) => number).join(",")},`);
  });

  test("certain loss resets the connection instead of passing a byte", async () => {
    const { links, echo, hop } = await network();
    links.setLaw({ minDelayMs: 0, maxDelayMs: 0, resetPpm: 1_000_000 });
    const a = await dial(hop);
    a.socket.write("gone");
    await a.closed;
    expect(echo.received).toEqual([]);
  });

  test("a dialler that is no member is not held to any cut", async () => {
    const echo = await startEcho();
    const links = new LinkNetwork({ senderOf: () => undefined, random: seededRandom("proxy-test") });
    closers.push(() => links.close());
    const hop = await hopTo(links, echo.port);
    links.cutOneWay({ from: "a", to: "b" });
    const stranger = await dial(hop);
    stranger.socket.write("hello");
    await until(() => stranger.received.join("") === "echo hello", "the echo");
    expect(links.unknownSenders).toBe(1);
  });

  test("the sender of a connection that is gone is nobody", () => {
    const gone = { localAddress: "127.0.0.1", localPort: 1, remoteAddress: "127.0.0.1", remotePort: 2 };
    expect(senderOf(gone, [{ name: "a", pid: process.pid }])).toBeUndefined();
  });
});
