/*
 * The long form of the differential test:
 *
 *   node --import tsx test/differential/long.ts --requests 100000 [--seed N] [--family NAME] [--path P] [--lanes N]
 *
 * Ends with one line that says how much was compared and what explained the differences. Exit codes: 0 all agreed,
 * 1 an unexplained difference (its sequence is printed, shrunk), 2 wrong usage, 3 the harness broke, 130 interrupted.
 */
import { parseArgs } from "node:util";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { type CampaignResult, families, runCampaign } from "./campaign.ts";
import { differences } from "./differences.ts";
import { Lane } from "./lane.ts";

interface Options {
  readonly requests: number;
  readonly seed: number;
  readonly lanes: number;
  readonly families: typeof families;
  readonly path: string | undefined;
}

const usage = "usage: long.ts [--requests N] [--seed N] [--lanes N] [--family NAME] [--path P, with one --family]";
const reportEveryMs = 10_000;
/** Draws of one lane never meet those of another. */
const seedsPerLane = 1_000_000;

function optionsOf(args: readonly string[]): Options | { readonly problem: string } {
  let values: { readonly [name: string]: string | undefined };
  try {
    const text = { type: "string" } as const;
    ({ values } = parseArgs({
      args: [...args],
      options: { requests: text, seed: text, lanes: text, family: text, path: text },
    }));
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
  const { requests = "20000", seed = String(Date.now() % seedsPerLane), lanes = "2", family, path } = values;
  for (const [name, text] of Object.entries({ requests, seed, lanes })) {
    if (!/^\d{1,9}$/.test(text)) return { problem: `--${name} ${text}: give a whole number` };
  }
  const chosen = families.filter(({ name }) => family === undefined || name === family);
  if (chosen.length === 0) {
    return { problem: `--family ${family}: give one of ${families.map(({ name }) => name).join(", ")}` };
  }
  if (path !== undefined && family === undefined) return { problem: "--path: name its --family too" };
  const laneCount = path === undefined ? Math.max(1, Number(lanes)) : 1;
  return { requests: Number(requests), seed: Number(seed), lanes: laneCount, families: chosen, path };
}

async function main(options: Options): Promise<number> {
  if (whyNoStockEtcd !== undefined || stockEtcd.kind !== "etcd") {
    process.stderr.write(`nothing to compare with: ${whyNoStockEtcd ?? "no etcd"}\n`);
    return 3;
  }
  const stock = stockEtcd.binary;
  const startedMs = performance.now();
  process.stderr.write(`comparing ${options.requests} requests from seed ${options.seed}\n`);
  const progress = new Array<number>(options.lanes).fill(0);
  const report = setInterval(() => {
    const done = progress.reduce((sum, each) => sum + each, 0);
    const seconds = (performance.now() - startedMs) / 1_000;
    process.stderr.write(`${done} requests, ${Math.round(done / seconds)} a second\n`);
  }, reportEveryMs);
  try {
    const lanes = opened;
    for (let number = 0; number < options.lanes; number++) {
      const members = number % 2 === 0 ? 3 : 1;
      lanes.push(await Lane.start({ stock, members, seed: options.seed + number * seedsPerLane }));
    }
    let failed = false;
    const results = await Promise.all(
      lanes.map(async (lane, number) => {
        const result = await runCampaign({
          lane,
          seed: options.seed + number * seedsPerLane,
          requests: Math.ceil(options.requests / options.lanes),
          families: options.families,
          ...(options.path === undefined ? {} : { path: options.path }),
          onProgress: (done) => {
            progress[number] = done;
          },
          isOver: () => failed || interrupted,
        });
        failed ||= result.failure !== undefined;
        return result;
      }),
    );
    return conclude(results, performance.now() - startedMs);
  } finally {
    clearInterval(report);
    await Promise.all(opened.splice(0).map((lane) => lane.close()));
  }
}

/** Lanes with processes that must not outlive this one. */
const opened: Lane[] = [];
let interrupted = false;
let interruptedMs = 0;
/** The first signal ends the run in good order, with its summary; one that comes later than a second, at once. */
function interrupt(): void {
  const nowMs = performance.now();
  if (!interrupted) interruptedMs = nowMs;
  else if (nowMs - interruptedMs > 1_000) {
    void Promise.all(opened.map((lane) => lane.close())).then(() => process.exit(130));
  }
  interrupted = true;
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);

function conclude(results: readonly CampaignResult[], tookMs: number): number {
  const counts = new Map<string, number>(differences.map(({ name }) => [name, 0]));
  for (const { explained } of results) {
    for (const [name, count] of explained) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  const failures = results.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  for (const failure of failures) process.stdout.write(`\nan unexplained difference; again: ${failure}\n\n`);
  const total = (field: "requests" | "sequences"): number => results.reduce((sum, result) => sum + result[field], 0);
  const used = [...counts].filter(([, count]) => count > 0).map(([name, count]) => `${name} ${count}`);
  const unused = [...counts].filter(([, count]) => count === 0).map(([name]) => name);
  process.stdout.write(
    `${total("requests")} requests in ${total("sequences")} sequences, ${Math.round(tookMs / 1_000)} s; ` +
      `explained: ${used.join(", ") || "none"}; never needed: ${unused.join(", ") || "none"}; ` +
      `unexplained: ${failures.length}\n`,
  );
  if (failures.length > 0) return 1;
  return interrupted ? 130 : 0;
}

const options = optionsOf(process.argv.slice(2));
if ("problem" in options) {
  process.stderr.write(`${options.problem}\n${usage}\n`);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = await main(options);
  } catch (error) {
    process.stderr.write(`the harness broke: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
    process.exitCode = 3;
  }
}
