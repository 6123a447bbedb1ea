/*
 * What one real member does on this machine: puts a second from many clients with every write synced, memory with many
 * keys, and the time from SIGKILL to the first answer. Prints one JSON object; asserts nothing.
 *
 *     node --import tsx test/bench/member.ts [--clients 64] [--seconds 5] [--warmup 5] [--keys 100000] [--target ours|etcd]
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { freePorts } from "../kit/real-members.ts";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "64" },
    seconds: { type: "string", default: "5" },
    warmup: { type: "string", default: "5" },
    keys: { type: "string", default: "100000" },
    target: { type: "string", default: "ours" },
    load: { type: "string" },
  },
});
const clients = Number(values.clients);
const root = join(import.meta.dirname, "../..");

/** Field 1 and 2 of a PutRequest: so cheap that the generator measures the server, not itself. */
function putBytes(key: Buffer, value: Buffer): Buffer {
  const head = Buffer.from([0x0a, key.length]);
  const length = value.length < 128 ? [value.length] : [(value.length & 127) | 128, value.length >> 7];
  return Buffer.concat([head, key, Buffer.from([0x12, ...length]), value]);
}

const asIs = (bytes: Buffer): Buffer => bytes;

function callers(port: number, connections: number): (path: string, bytes: Buffer) => Promise<Buffer> {
  const channels = Array.from(
    { length: connections },
    (_none, number) =>
      new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1, n: number }),
  );
  const metadata = new Metadata({ waitForReady: true });
  let next = 0;
  return (path, bytes) =>
    new Promise((resolve, reject) => {
      const client = channels[next++ % channels.length] as Client;
      client.makeUnaryRequest(path, asIs, asIs, bytes, metadata, {}, (error, answer) => {
        if (error !== null || answer === undefined) reject(error);
        else resolve(answer);
      });
    });
}

/** The load generator is a process of its own, so that it and the member may use a core each. */
async function load(port: number): Promise<void> {
  const call = callers(port, 8);
  const seconds = Number(values.seconds);
  const latenciesMs: number[] = [];
  const value = Buffer.alloc(256, 0x76);
  let done = 0;
  const run = async (untilMs: number, record: boolean): Promise<void> => {
    await Promise.all(
      Array.from({ length: clients }, async (_none, client) => {
        for (let number = 0; performance.now() < untilMs; number++) {
          const startedMs = performance.now();
          await call("/etcdserverpb.KV/Put", putBytes(Buffer.from(`b/${client}/${number % 1_000}`), value));
          if (!record) continue;
          done += 1;
          latenciesMs.push(performance.now() - startedMs);
        }
      }),
    );
  };
  await run(performance.now() + 1_000 * Number(values.warmup), false);
  process.stdout.write("warm\n");
  const startedMs = performance.now();
  await run(startedMs + 1_000 * seconds, true);
  const elapsed = (performance.now() - startedMs) / 1_000;
  latenciesMs.sort((a, b) => a - b);
  const at = (part: number): number => Number((latenciesMs[Math.floor(latenciesMs.length * part)] ?? 0).toFixed(2));
  const result = { putsPerSecond: Math.round(done / elapsed), p50Ms: at(0.5), p99Ms: at(0.99) };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

async function fill(port: number, keys: number): Promise<void> {
  const call = callers(port, 4);
  const value = Buffer.alloc(256, 0x76);
  let next = 0;
  await Promise.all(
    Array.from({ length: 256 }, async () => {
      for (let number = next++; number < keys; number = next++) {
        await call("/etcdserverpb.KV/Put", putBytes(Buffer.from(`key/${String(number).padStart(8, "0")}`), value));
      }
    }),
  );
}

/** A call that was under way when a connection broke is not tried again by its channel. */
async function firstPut(call: ReturnType<typeof callers>): Promise<void> {
  for (;;) {
    try {
      await call("/etcdserverpb.KV/Put", putBytes(Buffer.from("first"), Buffer.from("put")));
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const residentMb = (pid: number): number => {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(line ?? 0) / 1_000);
};
const cpuMs = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "faultline-bench-"));
  const [clientPort, peerPort] = await freePorts(2);
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const flags = [
    ...["--name", "m1", "--data-dir", join(directory, "m1"), "--initial-cluster", `m1=${peer}`],
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--log-level", "warn"],
  ];
  const command =
    values.target === "etcd"
      ? (["etcd", ...flags] as const)
      : ([process.execPath, "--import", "tsx", join(root, "faultline.ts"), "etcd", ...flags] as const);
  const start = (): ReturnType<typeof spawn> => spawn(command[0], command.slice(1), { cwd: root, stdio: "ignore" });
  let child = start();
  const call = callers(clientPort ?? 0, 1);
  const status = (): Promise<Buffer> => call("/etcdserverpb.Maintenance/Status", Buffer.alloc(0));
  try {
    await status();
    const pid = (): number => child.pid ?? 0;
    const emptyMb = residentMb(pid());
    let cpuBefore = 0;
    const generator = spawn(
      process.execPath,
      [
        ...["--import", "tsx", import.meta.filename, "--load", String(clientPort)],
        ...["--clients", String(clients), "--seconds", values.seconds, "--warmup", values.warmup],
      ],
      { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
    );
    let printed = "";
    generator.stdout.on("data", (piece: Buffer) => {
      printed += piece;
      if (cpuBefore === 0) cpuBefore = cpuMs(pid());
    });
    await new Promise((resolve) => generator.once("close", resolve));
    const loaded = JSON.parse(printed.replace("warm\n", "")) as { putsPerSecond: number };
    const loadCpuMs = cpuMs(pid()) - cpuBefore;
    const afterLoadMb = residentMb(pid());
    await fill(clientPort ?? 0, Number(values.keys));
    const filledMb = residentMb(pid());
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    const killedMs = performance.now();
    child = start();
    await firstPut(call);
    const recoveryMs = Math.round(performance.now() - killedMs);
    const cpuPerPut = loadCpuMs / (loaded.putsPerSecond * Number(values.seconds));
    process.stdout.write(
      `${JSON.stringify({
        target: values.target,
        clients,
        ...loaded,
        cpuMicrosecondsPerPut: Math.round(1_000 * cpuPerPut),
        memoryMb: { empty: emptyMb, afterLoad: afterLoadMb, filled: filledMb, recovered: residentMb(pid()) },
        keys: Number(values.keys),
        recoveryMs,
      })}\n`,
    );
  } finally {
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    rmSync(directory, { recursive: true, force: true });
  }
}

if (values.load === undefined) {
  await main();
  process.exit(0);
} else {
  await load(Number(values.load));
  process.exit(0);
}
