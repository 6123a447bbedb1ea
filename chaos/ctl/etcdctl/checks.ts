/*
 * check perf and check datascale: is a cluster fast enough for a load of that size, and how much memory do so many keys
 * take. Both write below a prefix that must be empty, and delete it afterwards, interrupted or not.
 * Source: etcd v3 contract, etcdctl, check.
 */
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { KV, Maintenance } from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { Progress } from "../../../reports/command.ts";
import { CtlError, ctlExit } from "./failure.ts";
import { type LoadResult, runLoad } from "./load.ts";
import { type RangeFlags, rangeOf } from "./operands.ts";
import { write } from "./print.ts";
import type { Session } from "./session.ts";
import type { Stage } from "./verbs.ts";

export interface PerfLoad {
  readonly writesPerSecond: number;
  readonly clients: number;
}
export interface DataLoad {
  readonly keys: number;
  readonly clients: number;
}
const perfLoads: { readonly [name: string]: PerfLoad } = {
  s: { writesPerSecond: 150, clients: 50 },
  m: { writesPerSecond: 1_000, clients: 200 },
  l: { writesPerSecond: 8_000, clients: 500 },
  xl: { writesPerSecond: 15_000, clients: 1_000 },
};
const dataLoads: { readonly [name: string]: DataLoad } = {
  s: { keys: 10_000, clients: 50 },
  m: { keys: 100_000, clients: 200 },
  l: { keys: 1_000_000, clients: 500 },
  xl: { keys: 3_000_000, clients: 1_000 },
};
const longNames: { readonly [name: string]: string } = { small: "s", medium: "m", large: "l", xLarge: "xl" };

const perfSeconds = 60;
const perfKeyBytes = 256;
const valueBytes = 1024;
const slowestSecondsMax = 0.5;
const deviationSecondsMax = 0.1;
const throughputShare = 0.9;

interface CheckFlags {
  readonly load: string;
  readonly prefix: string;
  readonly autoCompact?: boolean;
  readonly autoDefrag?: boolean;
}

export function addCheckVerbs({ program, act }: Stage): void {
  const check = program.command("check").description("whether a cluster can do what is asked of it");
  const withFlags = (command: Command, prefix: string): Command =>
    command
      .option("--load <size>", "s, m, l or xl: how much is asked of it", "s")
      .option("--prefix <prefix>", "where the check writes; nothing may be there", prefix)
      .option("--auto-compact", "compact afterwards what the check wrote")
      .option("--auto-defrag", "defragment the end points afterwards");
  withFlags(check.command("perf"), "/etcdctl-check-perf/")
    .description("puts for a minute: 150, 1000, 8000 or 15000 a second; judges throughput and delays")
    .action((flags: CheckFlags) =>
      act((session) => checkPerf(session, flags, loadOf(perfLoads, flags.load), perfSeconds)),
    );
  withFlags(check.command("datascale"), "/etcdctl-check-datascale/")
    .description(
      "puts 10 thousand, 100 thousand, 1 or 3 million keys of 1 KiB; reads the member's memory before and after",
    )
    .action((flags: CheckFlags) => act((session) => checkDataScale(session, flags, loadOf(dataLoads, flags.load))));
}

function loadOf<Load>(loads: { readonly [name: string]: Load }, name: string): Load {
  const load = loads[Object.hasOwn(longNames, name) ? (longNames[name] ?? name) : name];
  if (load === undefined)
    throw new CtlError(`unknown load option ${name}; it is ${Object.keys(loads).join(", ")}`, ctlExit.badFeature);
  return load;
}

/** @returns the exit code */
export async function checkPerf(
  session: Session,
  flags: CheckFlags,
  load: PerfLoad,
  durationSeconds: number,
): Promise<number> {
  await mustBeEmpty(session, flags.prefix);
  const result = await loaded(session, flags, {
    ...load,
    durationMs: durationSeconds * 1_000,
    // As long as etcd's own keys; random, so that they spread.
    keyOf: () => randomBytes(perfKeyBytes),
    done: ({ elapsedMs }) => elapsedMs / 1_000 / durationSeconds,
  });
  const { lines, passed } = perfVerdict(result, load.writesPerSecond);
  write(`${lines.join("\n")}\n`);
  return passed ? 0 : ctlExit.error;
}

export function perfVerdict(
  { writesPerSecond, slowestSeconds, deviationSeconds, errors }: LoadResult,
  wantedPerSecond: number,
): { readonly lines: readonly string[]; readonly passed: boolean } {
  const isQuick = writesPerSecond / wantedPerSecond > throughputShare;
  const isPrompt = slowestSeconds <= slowestSecondsMax;
  const isEven = deviationSeconds <= deviationSecondsMax;
  const rate = `${Math.round(writesPerSecond)} writes/s`;
  const passed = errors.size === 0 && isQuick && isPrompt && isEven;
  const lines = [
    ...errorLines(errors),
    isQuick ? `PASS: Throughput is ${rate}` : `FAIL: Throughput too low: ${rate}`,
    isPrompt
      ? `PASS: Slowest request took ${slowestSeconds.toFixed(6)}s`
      : `Slowest request took too long: ${slowestSeconds.toFixed(6)}s`,
    isEven ? `PASS: Stddev is ${deviationSeconds.toFixed(6)}s` : `Stddev too high: ${deviationSeconds.toFixed(6)}s`,
    passed ? "PASS" : "FAIL",
  ];
  return { lines, passed };
}

/** @returns the exit code */
export async function checkDataScale(session: Session, flags: CheckFlags, load: DataLoad): Promise<number> {
  const [endpoint = ""] = session.endpoints;
  await mustBeEmpty(session, flags.prefix);
  const memory = async (when: string): Promise<number> => {
    const text = await session.httpGet(endpoint, "/metrics").catch((error: unknown) => error);
    const bytes = typeof text === "string" ? /^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1] : undefined;
    if (bytes !== undefined) return Number(bytes);
    const why = text instanceof Error ? `: ${text.message}` : "";
    throw new CtlError(`could not read process_resident_memory_bytes at ${endpoint}/metrics ${when} the puts${why}`);
  };
  const beforeBytes = await memory("before");
  write(
    `Start data scale check for work load [${load.keys} key-value pairs, ${valueBytes} bytes per key-value, ${load.clients} concurrent clients].\n`,
  );
  let afterBytes = beforeBytes;
  const { errors } = await loaded(session, flags, {
    clients: load.clients,
    writesPerSecond: undefined,
    writesMax: load.keys,
    keyOf: (position) => Buffer.from(position.toString(16).padStart(8, "0")),
    done: ({ writes }) => writes / load.keys,
    // Before the keys go again.
    measure: async () => {
      afterBytes = await memory("after");
    },
  });
  if (errors.size > 0) {
    write(`${errorLines(errors).join("\n")}\n`);
    return ctlExit.error;
  }
  const megabytes = Math.max(0, afterBytes - beforeBytes) / 1024 / 1024;
  write(`PASS: Approximate system memory used : ${megabytes.toFixed(2)} MB.\n`);
  return 0;
}

const errorLines = (errors: ReadonlyMap<string, number>): string[] =>
  errors.size === 0
    ? []
    : ["FAIL: too many errors", ...[...errors].map(([error, count]) => `FAIL: ERROR(${error}) -> ${count}`)];

// ---- the load, and the cluster as it was before -----------------------------------------------------------------

interface CheckLoad {
  readonly clients: number;
  readonly writesPerSecond: number | undefined;
  readonly durationMs?: number;
  readonly writesMax?: number;
  /** Behind the prefix. */
  readonly keyOf: (position: number) => Uint8Array;
  /** Share of the whole, 0 to 1. */
  readonly done: (so: { readonly writes: number; readonly elapsedMs: number }) => number;
  readonly measure?: () => Promise<void>;
}

/** Runs a load and takes away what it wrote. @throws CtlError when it was interrupted */
async function loaded(session: Session, flags: CheckFlags, load: CheckLoad): Promise<LoadResult> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  const prefix = Buffer.from(flags.prefix);
  const progress = new Progress();
  let result: LoadResult;
  try {
    const clients = await session.putters(load.clients);
    const { measure, done, keyOf, ...rest } = load;
    result = await runLoad({
      ...rest,
      clients,
      valueBytes,
      keyOf: (position) => Buffer.concat([prefix, keyOf(position)]),
      onProgress: (so) => progress.show(`${Math.min(100, 100 * done(so)).toFixed(1)} %, ${so.writes} writes`),
      signal: stop.signal,
    });
    progress.clear();
    if (!stop.signal.aborted) await measure?.();
  } finally {
    progress.clear();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
    await tidyUp(session, flags);
  }
  if (!stop.signal.aborted) return result;
  throw new CtlError(`interrupted; what was written below ${flags.prefix} is deleted`, ctlExit.interrupted);
}

const everythingBelow = (prefix: string): ReturnType<typeof rangeOf> =>
  rangeOf(prefix, undefined, { prefix: true } satisfies RangeFlags);

async function mustBeEmpty(session: Session, prefix: string): Promise<void> {
  const { message } = await session.call(KV.method.range, { ...everythingBelow(prefix), limit: 1n, keysOnly: true });
  if (message.kvs.length === 0) return;
  throw new CtlError(
    `prefix "${prefix}" has keys. Delete with etcdctl del --prefix ${prefix} first`,
    ctlExit.invalidInput,
  );
}

/** Large deletes, compactions and defragmentations take as long as they take. */
async function tidyUp(session: Session, { prefix, autoCompact, autoDefrag }: CheckFlags): Promise<void> {
  const [endpoint = ""] = session.endpoints;
  const patience = Number.POSITIVE_INFINITY;
  const { message } = await session.callAt(endpoint, KV.method.deleteRange, everythingBelow(prefix), patience);
  if (autoCompact === true) {
    const revision = message.header?.revision ?? 0n;
    write(`Compacting with revision ${revision}\n`);
    await session.callAt(endpoint, KV.method.compact, { revision, physical: true }, patience);
    write(`Compacted with revision ${revision}\n`);
  }
  if (autoDefrag !== true) return;
  for (const each of session.endpoints) {
    write(`Defragmenting "${each}"\n`);
    await session.callAt(each, Maintenance.method.defragment, {}, patience);
    write(`Defragmented "${each}"\n`);
  }
}
