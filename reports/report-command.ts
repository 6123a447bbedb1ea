/*
 * faultline report and faultline merge: pages again from what is on disk.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { neverSeen } from "../scenarios/check/meant.ts";
import { worstVerdict } from "../scenarios/check/verdict.ts";
import { mergeBlobs, readBlob } from "./blob.ts";
import { runVerb } from "./command.ts";
import { countText } from "./html.ts";
import { junitOf } from "./junit.ts";
import { overviewOf } from "./overview.ts";
import { RunDirectory, readRunDirectory } from "./run-directory.ts";
import { exitCodeOfVerdict, linesOfRun, repeatLine } from "./verdict.ts";

/** @param argv after the verb */
export function runReport(argv: readonly string[]): Promise<number> {
  return runVerb("faultline report", argv, (program, setExit) => {
    program
      .description("write report.html and junit.xml of a run again, from its plan, history and verdict")
      .argument("<RUN>", "directory of the run")
      .addHelpText("after", "\nExample:\n  faultline report reports/out/leader-killed-7-etcd\n")
      .action((path: string) => {
        const run = readRunDirectory(path);
        new RunDirectory(path).writeVerdict(run);
        process.stdout.write(`${linesOfRun(run, path).join("\n")}\n`);
        setExit(exitCodeOfVerdict(run.verdict));
      });
  });
}

/** @param argv after the verb */
export function runMerge(argv: readonly string[]): Promise<number> {
  return runVerb("faultline merge", argv, (program, setExit) => {
    program
      .description("one report and one exit code from the results of all shards of a campaign")
      .argument("<BLOB...>", "the file of each shard")
      .option("--out <dir>", "where overview.html and junit.xml go", "reports/out/merged")
      .option("--json", "one JSON object on standard output")
      .addHelpText("after", "\nExample:\n  faultline merge shard-0.json shard-1.json --out reports/out/nightly\n")
      .action((paths: string[], flags: { readonly out: string; readonly json?: boolean }) => {
        const runs = mergeBlobs(paths.map((path) => ({ path, blob: readBlob(path) })));
        const unseen = neverSeen(runs);
        const verdict = unseen.length > 0 ? "violated" : worstVerdict(runs.map((run) => run.verdict));
        mkdirSync(flags.out, { recursive: true });
        writeFileSync(
          join(flags.out, "overview.html"),
          overviewOf(runs.map((summary) => ({ summary, link: undefined }))),
        );
        writeFileSync(join(flags.out, "junit.xml"), junitOf(runs));
        const broken = runs.filter((run) => run.verdict !== "holds");
        if (flags.json === true) {
          const failures = broken.map((run) => ({ scenario: run.scenario, seed: run.seed, verdict: run.verdict }));
          const page = join(flags.out, "overview.html");
          process.stdout.write(`${JSON.stringify({ verdict, runs: runs.length, failures, unseen, page })}\n`);
        } else {
          const lines = [
            `${verdict} ${countText(runs.length)} runs of ${paths.length} shards, ${broken.length} do not hold`,
          ];
          for (const run of broken.slice(0, 20)) lines.push(`  ${run.verdict} ${repeatLine(run)}`);
          lines.push(...unseen.map((text) => `  violated ${text}`));
          if (broken.length > 20) lines.push(`  … and ${broken.length - 20} more`);
          lines.push(`  report ${join(flags.out, "overview.html")}`);
          process.stdout.write(`${lines.join("\n")}\n`);
        }
        setExit(exitCodeOfVerdict(verdict));
      });
  });
}
