#!/usr/bin/env node
/*
 * The one door for people: hands a verb to the simulator, the real world or the reports. Verbs are loaded when they
 * are asked for, so that `faultline etcd` does not pay for the simulator.
 */
import { exitCodes, runProgram } from "./reports/exit-code.ts";

const verbs = {
  all: { room: "top", meaning: "the main job: every scenario simulated, three drills, one page" },
  sim: { room: "sim", meaning: "run scenarios in the seeded simulator" },
  replay: { room: "sim", meaning: "run a plan or a finished run again" },
  shrink: { room: "sim", meaning: "make a failing plan smaller" },
  bugs: { room: "sim", meaning: "plant known bugs and see whether they are found" },
  drill: { room: "chaos", meaning: "run scenarios on real processes" },
  check: { room: "reports", meaning: "judge a history file" },
  report: { room: "reports", meaning: "write the report of a run again" },
  merge: { room: "reports", meaning: "merge the results of shards" },
  list: { room: "reports", meaning: "list scenarios, faults, checks or bugs" },
  etcd: { room: "chaos", meaning: "run one etcd-compatible member" },
  etcdctl: { room: "chaos", meaning: "talk to a cluster (etcd's own flags and output)" },
  etcdutl: { room: "chaos", meaning: "work on data directories and snapshots" },
} as const;

type Verb = keyof typeof verbs;

function usage(): string {
  const lines = Object.entries(verbs).map(([verb, { meaning }]) => `  ${verb.padEnd(9)} ${meaning}`);
  return [
    "Usage: faultline VERB [flags]",
    "",
    "An etcd you can break on purpose.",
    "",
    ...lines,
    "",
    "faultline VERB --help shows a verb's flags. Exit codes: 0 passed, 1 a check failed, 2 wrong usage, 3 the harness broke.",
    "",
  ].join("\n");
}

async function main(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb === undefined || verb === "--help" || verb === "-h" || verb === "help") {
    (verb === undefined ? process.stderr : process.stdout).write(usage());
    return verb === undefined ? exitCodes.usage : exitCodes.passed;
  }
  if (!Object.hasOwn(verbs, verb)) {
    process.stderr.write(`faultline: unknown verb "${verb}"; faultline --help lists the verbs\n`);
    return exitCodes.usage;
  }
  switch (verbs[verb as Verb].room) {
    case "top":
      return (await import("./main-job.ts")).run(rest);
    case "sim":
      return (await import("./sim/cli.ts")).run([verb, ...rest]);
    case "chaos":
      return (await import("./chaos/cli.ts")).run([verb, ...rest]);
    case "reports":
      return (await import("./reports/cli.ts")).run([verb, ...rest]);
  }
}

await runProgram(main);
