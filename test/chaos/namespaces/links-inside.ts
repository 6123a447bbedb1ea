/*
 * Run inside of namespaces of its own by namespace-links.test.ts: three members that only echo, and what each of them
 * hears while links are broken. Prints one JSON object, what was seen under the name of what was done.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { networkInterfaces } from "node:os";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { NamespaceLinks } from "../../../chaos/link/namespace-links.ts";
import { peerPort } from "../../../chaos/link/packet-rules.ts";
import { seededRandom } from "../../../chaos/member/random.ts";
import { probeMachine } from "../../../chaos/probe-machine.ts";

/** Echoes on its peer port, dials where it is told, says in lines what happens. */
const member = `
const net = require("node:net");
const say = (word) => console.log(JSON.stringify(word));
net.createServer((socket) => {
  socket.on("error", () => {});
  const from = socket.remoteAddress;
  socket.on("data", (bytes) => { say({ from, heard: String(bytes) }); socket.write("echo " + bytes); });
  say({ accepted: from });
  tell.push(socket);
}).listen(${peerPort}, "0.0.0.0", () => say("ready"));
const tell = [];
let dialled;
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { dial, write, speak } = JSON.parse(line);
  if (dial) {
    dialled = net.connect(${peerPort}, dial);
    dialled.on("connect", () => say({ connected: dial }));
    dialled.on("data", (bytes) => say({ answered: String(bytes) }));
    dialled.on("error", (error) => say({ failed: error.code }));
  }
  if (write) dialled.write(write);
  if (speak) for (const socket of tell) socket.write(speak);
});
`;

const links = new NamespaceLinks({
  directory: process.argv[2] ?? "",
  capabilities: (await probeMachine({ kind: "faultline" }, "netns")).capabilities,
  random: seededRandom("links"),
});
const names = ["a", "b", "c"];
const places = await links.open(names);
const hostOf = (name: string): string => places[names.indexOf(name)]?.peer.split(":")[0] ?? "";
const children = new Map<string, ChildProcess>();
const said = new Map<string, unknown[]>(names.map((name) => [name, []]));
for (const name of names) {
  const { command, args } = links.commandAt(name, { command: process.execPath, args: ["-e", member] });
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  createInterface({ input: child.stdout }).on("line", (line) => said.get(name)?.push(JSON.parse(line)));
  children.set(name, child);
}

const tell = (name: string, order: { readonly [verb: string]: string }): void =>
  void children.get(name)?.stdin?.write(`${JSON.stringify(order)}\n`);
const has = (name: string, word: unknown): boolean =>
  said.get(name)?.some((each) => JSON.stringify(each) === JSON.stringify(word)) === true;
async function until(name: string, word: unknown): Promise<void> {
  for (let tries = 0; tries < 3_000; tries++) {
    if (has(name, word)) return;
    await pause(10);
  }
  throw new Error(`${name} never said ${JSON.stringify(word)}, but ${JSON.stringify(said.get(name))}`);
}
/** Long enough for what would arrive to arrive. */
const quiet = (): Promise<void> => pause(400);

const seen: { [what: string]: unknown } = {};
try {
  await Promise.all(names.map((name) => until(name, "ready")));
  seen["interfaces"] = Object.keys(networkInterfaces()).sort();
  tell("a", { dial: hostOf("b") });
  await until("a", { connected: hostOf("b") });
  await until("b", { accepted: hostOf("a") });
  tell("a", { write: "whole" });
  await until("a", { answered: "echo whole" });

  await links.cut([{ from: "a", to: "b" }]);
  tell("a", { write: "one way" });
  tell("b", { speak: "still heard" });
  await until("a", { answered: "still heard" });
  await quiet();
  seen["one way: b hears a"] = has("b", { from: hostOf("a"), heard: "one way" });
  tell("c", { dial: hostOf("b") });
  await until("c", { connected: hostOf("b") });
  seen["one way: c reaches b"] = true;
  await links.heal();
  await until("b", { from: hostOf("a"), heard: "one way" });
  seen["healed: what was lost is sent again"] = true;

  await links.cut([
    { from: "a", to: "b" },
    { from: "b", to: "a" },
  ]);
  tell("a", { write: "into the void" });
  tell("b", { speak: "also lost" });
  await quiet();
  seen["both ways: b hears a"] = has("b", { from: hostOf("a"), heard: "into the void" });
  seen["both ways: a hears b"] = has("a", { answered: "also lost" });
  seen["both ways: c hears b"] = has("c", { answered: "also lost" });
  await links.heal();
  await until("b", { from: hostOf("a"), heard: "into the void" });

  await links.clog("b");
  // What is under way when the bucket closes may still get through.
  tell("a", { write: "held".repeat(1_000) });
  await quiet();
  seen["clogged: b has all of it"] = JSON.stringify(said.get("b")).includes("held".repeat(1_000));
  await links.heal();
  for (let tries = 0; tries < 3_000; tries++) {
    const heard =
      said
        .get("b")
        ?.map((word) => (word as { readonly heard?: string }).heard ?? "")
        .join("") ?? "";
    if (heard.includes("held".repeat(1_000))) break;
    await pause(10);
    if (tries === 2_999) throw new Error("what was held back never came");
  }
  seen["unclogged: b has all of it"] = true;

  seen["law"] = await links.setLaw({ minDelayMs: 5, maxDelayMs: 9, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 });
  tell("a", { write: "on the old way" });
  await until("a", { failed: "ECONNRESET" });
  tell("a", { dial: hostOf("b") });
  for (let tries = 0; !has("b", { accepted: "10.99.1.1" }); tries++) {
    if (tries > 3_000) throw new Error("the detour was never taken");
    await pause(10);
  }
  tell("a", { write: "by the hop" });
  await until("a", { answered: "echo by the hop" });
  await links.cut([{ from: "a", to: "b" }]);
  tell("a", { write: "cut on the hop" });
  await quiet();
  seen["delayed and cut: b hears a"] = JSON.stringify(said.get("b")).includes("cut on the hop");
  await links.heal();
  await links.setLaw({ minDelayMs: 0, maxDelayMs: 0, lossPpm: 1_000_000, duplicatePpm: 0, reorderPpm: 0 });
  tell("c", { write: "lost by chance" });
  await quiet();
  seen["all is lost: b hears c"] = has("b", { from: hostOf("c"), heard: "lost by chance" });
  await links.heal();
  await until("b", { from: hostOf("c"), heard: "lost by chance" });
} finally {
  for (const child of children.values()) child.kill("SIGKILL");
  await links.close();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
