/*
 * faultline etcdutl: work on files while no server runs: status and restore of snapshot files, of any etcd or of ours,
 * and defragmentation of our data directories. Flags, texts and exit codes are etcdutl's.
 * Source: etcd v3 contract, etcdutl.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { InvariantViolation } from "../../core/index.ts";
import { newCommand, wholeNumber } from "../../reports/command.ts";
import { openBackend } from "../member/backend.ts";
import { BboltProblem } from "../member/bbolt/reader.ts";
import { defragment } from "../member/defragment.ts";
import { readFlags } from "../member/flags.ts";
import { BackendProblem } from "../member/lmdb-environment.ts";
import { tryLock } from "../member/lock.ts";
import { openLog } from "../member/log.ts";
import { etcdVersion, storageVersion } from "../member/version.ts";
import { addCompletionVerb } from "./completion.ts";
import { CtlError, ctlExit } from "./etcdctl/failure.ts";
import { sizeText, tableText } from "./etcdctl/print.ts";
import { runTyped } from "./etcdctl/typed.ts";
import { restore } from "./restore.ts";
import { SnapshotFile, SnapshotProblem, type SnapshotStatus } from "./snapshot-file.ts";

const exitError = 1;
const formats = ["simple", "json", "fields", "table"] as const;
type Format = (typeof formats)[number];

/** @param argv after the verb @returns etcdutl's exit code */
export function run(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = newCommand("faultline etcdutl");
  program
    .description("work on snapshot files and data directories while no server runs")
    .option("-w, --write-out <format>", `one of ${formats.join(", ")}`, formatOf, "simple")
    .addHelpText(
      "after",
      "\nExamples:\n  faultline etcdutl snapshot status backup.db -w json\n  faultline etcdutl snapshot restore backup.db --data-dir m1.etcd\n",
    );
  const done = (body: () => void | Promise<void>): Promise<void> =>
    guarded(body, (code) => {
      exitCode = code;
    });
  const snapshot = program.command("snapshot").description("snapshot files");
  addStatus(snapshot, () => program.opts<{ writeOut: Format }>().writeOut, done);
  addRestore(snapshot, done);
  program
    .command("defrag")
    .description("rewrite the backend of a data directory in as little space as it needs")
    .requiredOption("--data-dir <directory>", "data directory of a member that does not run")
    .action(({ dataDir }: { readonly dataDir: string }) => done(() => defragmentOffline(dataDir)));
  program
    .command("hashkv")
    .description("hash of the keys in a snapshot file, as members give it (etcdctl endpoint hashkv)")
    .argument("<filename>")
    .option("--rev <revision>", "up to that revision; 0: all", wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }), 0)
    .action((path: string, { rev }: { readonly rev: number }) =>
      done(() => printHash(path, rev, program.opts<{ writeOut: Format }>().writeOut)),
    );
  program
    .command("migrate")
    .description("bring a data directory to the form of another release: it has that of 3.6, and there is no other")
    .requiredOption("--data-dir <directory>", "data directory of a member that does not run")
    .requiredOption("--target-version <version>", "major and minor, such as 3.6")
    .option("--force", "accepted, and changes nothing")
    .action(({ dataDir, targetVersion }: { readonly dataDir: string; readonly targetVersion: string }) =>
      done(() => migrate(dataDir, targetVersion)),
    );
  program
    .command("version")
    .description("print the version")
    .action(() => {
      const [major, minor] = etcdVersion.split(".");
      process.stdout.write(`etcdutl version: ${etcdVersion}\nAPI version: ${major}.${minor}\n`);
    });
  addCompletionVerb(program, "etcdutl");
  return runTyped(program, argv, () => exitCode);
}

type Done = (body: () => void | Promise<void>) => Promise<void>;

/** What the operator can mend is one line and exit code 1; anything else is a bug of ours. */
async function guarded(body: () => void | Promise<void>, setExit: (code: number) => void): Promise<void> {
  try {
    await body();
  } catch (error) {
    const expected =
      error instanceof SnapshotProblem ||
      error instanceof BboltProblem ||
      error instanceof BackendProblem ||
      (error instanceof Error && "syscall" in error);
    if (!expected && !(error instanceof InvariantViolation)) throw error;
    const text = expected ? error.message : `the content of the snapshot is not sound: ${error.message}`;
    process.stderr.write(`Error: ${text}\n`);
    setExit(exitError);
  }
}

function printHash(path: string, revision: number, format: Format): void {
  const file = new SnapshotFile(path);
  try {
    const { hash, hashRevision, compactRevision } = file.hashKv(revision);
    const row = [String(hash), String(hashRevision), String(compactRevision)];
    const texts: { readonly [Name in Format]: () => string } = {
      simple: () => `${row.join(", ")}\n`,
      json: () => `${JSON.stringify({ hash, hashRevision, compactRevision })}\n`,
      fields: () => `"Hash" : ${hash}\n"Hash revision" : ${hashRevision}\n"Compact revision" : ${compactRevision}\n`,
      table: () => tableText(["HASH", "HASH REVISION", "COMPACT REVISION"], [row]),
    };
    process.stdout.write(texts[format]());
  } finally {
    file.close();
  }
}

function migrate(directory: string, target: string): void {
  if (!/^\d+\.\d+$/.test(target))
    throw new SnapshotProblem(`wrong target version format, expected "X.Y", got "${target}"`);
  if (!existsSync(join(directory, "member"))) throw new SnapshotProblem(`there is no member in ${directory}`);
  if (storageVersion !== `${target}.0`) {
    throw new SnapshotProblem(
      `${directory} cannot be migrated to storage version ${target}: it has the form of ${storageVersion}, and there is no other; save a snapshot and restore it with etcdutl of that release`,
    );
  }
  process.stderr.write(`storage version up-to-date: ${storageVersion}\n`);
}

// ---- snapshot status -----------------------------------------------------------------------------------------

function addStatus(snapshot: Command, format: () => Format, done: Done): void {
  snapshot
    .command("status")
    .description("hash, revision, number of keys, size and storage version of a snapshot file, which is checked first")
    .argument("<filename>")
    .action((path: string) =>
      done(() => {
        const file = new SnapshotFile(path);
        try {
          file.checkIntegrity();
          process.stdout.write(statusText(file.status(), format()));
        } finally {
          file.close();
        }
      }),
    );
}

function statusText(status: SnapshotStatus, format: Format): string {
  const { hash, revision, totalKey, totalSize, version } = status;
  const row = [hash.toString(16), String(revision), String(totalKey), sizeText(totalSize), version];
  switch (format) {
    case "json":
      return `${JSON.stringify(status)}\n`;
    case "fields":
      return `"Hash" : ${hash}\n"Revision" : ${revision}\n"Keys" : ${totalKey}\n"Size" : ${totalSize}\n"Version" : ${version}\n`;
    case "table":
      return tableText(["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"], [row]);
    case "simple":
      return `${row.join(", ")}\n`;
  }
}

function formatOf(text: string): Format {
  const found = formats.find((format) => format === text);
  if (found === undefined) {
    throw new CtlError(`unsupported output format "${text}"; it is one of ${formats.join(", ")}`, ctlExit.badFeature);
  }
  return found;
}

// ---- snapshot restore ----------------------------------------------------------------------------------------

interface RestoreFlags {
  readonly dataDir?: string;
  readonly walDir?: string;
  readonly name: string;
  readonly initialCluster: string;
  readonly initialClusterToken: string;
  readonly initialAdvertisePeerUrls: string;
  readonly skipHashCheck?: boolean;
  readonly bumpRevision: number;
  readonly markCompacted?: boolean;
}

function addRestore(snapshot: Command, done: Done): void {
  snapshot
    .command("restore")
    .description("make the data directory of one member of a new cluster; do it for each member with one list")
    .argument("<filename>")
    .option("--data-dir <directory>", "new data directory; default: <name>.etcd")
    .option("--wal-dir <directory>", "directory for the log alone, to be given to the member too")
    .option("--name <name>", "name of the member", "default")
    .option("--initial-cluster <list>", "every member of the new cluster", "default=http://localhost:2380")
    .option("--initial-cluster-token <token>", "token of the new cluster", "etcd-cluster")
    .option("--initial-advertise-peer-urls <urls>", "peer URLs of this member", "http://localhost:2380")
    .option("--skip-hash-check", "take a file without its hash, such as a copy of a db file")
    .option("--bump-revision <n>", "pass over so many revisions", wholeNumber({ min: 0, max: 2 ** 52 }), 0)
    .option("--mark-compacted", "compact everything up to the revision that results; goes with --bump-revision")
    .option("--initial-memory-map-size <bytes>", "of no effect here")
    .action((path: string, flags: RestoreFlags) => done(() => restoreFile(path, flags)));
}

async function restoreFile(path: string, flags: RestoreFlags): Promise<void> {
  const { bumpRevision: bump, markCompacted = false } = flags;
  if (bump > 0 && !markCompacted) throw new SnapshotProblem("--mark-compacted required if --revision-bump > 0");
  if (bump === 0 && markCompacted) throw new SnapshotProblem("--mark-compacted is used without --revision-bump");
  const dataDirectory = flags.dataDir ?? `${flags.name}.etcd`;
  const read = readFlags(
    [
      `--name=${flags.name}`,
      `--data-dir=${dataDirectory}`,
      `--wal-dir=${flags.walDir ?? ""}`,
      `--initial-cluster=${flags.initialCluster}`,
      `--initial-cluster-token=${flags.initialClusterToken}`,
      `--initial-advertise-peer-urls=${flags.initialAdvertisePeerUrls}`,
    ],
    {},
    [],
  );
  if (read.kind !== "start") throw new SnapshotProblem(read.kind === "refuse" ? read.error : read.stderr.trim());
  const log = openLog({ level: "info", outputs: ["stderr"] });
  const fields = { path, "wal-dir": flags.walDir ?? "", "data-dir": dataDirectory };
  log.info("restoring snapshot", fields);
  const file = new SnapshotFile(path, "open");
  try {
    if (flags.skipHashCheck !== true) file.checkHash();
    await restore(file, { flags: read.flags, bumpRevisions: bump === 0 ? undefined : bump });
  } finally {
    file.close();
  }
  log.info("restored snapshot", fields);
}

// ---- defrag --------------------------------------------------------------------------------------------------

async function defragmentOffline(dataDirectory: string): Promise<void> {
  const memberDirectory = join(dataDirectory, "member");
  if (!existsSync(join(memberDirectory, "snap"))) {
    throw new SnapshotProblem(`${dataDirectory} is no data directory of a member`);
  }
  const lock = tryLock(memberDirectory);
  if (lock === undefined) throw new SnapshotProblem(`a member runs on ${dataDirectory}; stop it first`);
  try {
    const { backend } = openBackend(join(memberDirectory, "snap"));
    try {
      await defragment(backend);
    } finally {
      backend.close();
    }
  } finally {
    lock.release();
  }
  process.stdout.write(`Finished defragmenting directory ${dataDirectory}\n`);
}
