/*
 * The verb `etcd`: one member as a process. It starts in etcd's order (flags, ports, data directory, log, publish,
 * client port) and ends as etcd ends: by the signal it got, or with a line that says why.
 */
import { join } from "node:path";
import type { LmdbBackend } from "./backend.ts";
import { openDataDirectory, StartProblem } from "./data-directory.ts";
import { defragment } from "./defragment.ts";
import { LogProblem } from "./disk.ts";
import type { Environment } from "./flag-sources.ts";
import { type MemberFlags, readFlags } from "./flags.ts";
import { handleLimit, tooFewHandles } from "./handles.ts";
import { hasIdentity, memberIdFor } from "./identity.ts";
import { askRunningCluster, joinRunningCluster } from "./join.ts";
import { BackendProblem } from "./lmdb-environment.ts";
import { type Log, openLog } from "./log.ts";
import { probe } from "./port.ts";
import { exitCodes, MemberProcess } from "./process.ts";
import { membersFromSrv } from "./srv-discovery.ts";
import { openTls } from "./tls.ts";
import { etcdVersion } from "./version.ts";

/** What other members may take to say whether their cluster runs. */
const askTimeoutMs = 1_000;
const lingerMs = 1_000;
const againMs = 10_000;

const versionLines = [
  `etcd Version: ${etcdVersion}`,
  "Git SHA: Not provided (use ./build instead of go build)",
  `Go Version: none, node ${process.version}`,
  `Go OS/Arch: ${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
];

/** Runs one member until it is told to end. @returns the exit code */
export async function run(argv: readonly string[]): Promise<number> {
  const read = readFlags(argv, process.env as Environment, versionLines);
  if (read.kind === "print") {
    process.stdout.write(read.stdout);
    process.stderr.write(read.stderr);
    return read.exitCode;
  }
  if (read.kind === "refuse") {
    openLog({ level: "info", outputs: ["stderr"] }).error("failed to verify flags", { error: read.error });
    return 1;
  }
  const { logLevel: level, logOutputs: outputs, logFormat: format, logRotation: rotation } = read.flags;
  let log: Log;
  try {
    log = openLog({ level, outputs, format, rotation });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    openLog({ level: "info", outputs: ["stderr"] }).error("failed to open log outputs", { error: reason });
    return 1;
  }
  for (const warning of read.warnings) log.warn(warning);
  log.info("Running: ", { args: ["etcd", ...argv] });
  try {
    return await runMember(read.flags, log);
  } catch (error) {
    if (!(error instanceof StartProblem || error instanceof BackendProblem || error instanceof LogProblem)) {
      return systemRefused(error, log);
    }
    const cause = error instanceof StartProblem ? error.error : error.message;
    // etcd's own habit: what concerns the member list comes with the flags one may have forgotten.
    if (cause.includes("--initial-cluster")) {
      log.warn("failed to start", { error: cause });
      log.warn("forgot to set --initial-cluster?");
      log.warn("forgot to set --initial-advertise-peer-urls?");
    }
    const message =
      error instanceof StartProblem
        ? error.message
        : error instanceof LogProblem
          ? "cannot read data directory"
          : "failed to open the backend";
    log.fatal(message, { error: cause });
    return exitCodes.failed;
  }
}

/** What the system may refuse a start, and what to do about it. Its own text names the file. */
const remedies: { readonly [code: string]: { readonly text: string; readonly exitCode: number } } = {
  ENOSPC: { text: "free some space on this disk", exitCode: exitCodes.disk },
  EDQUOT: { text: "free some space on this disk", exitCode: exitCodes.disk },
  EROFS: { text: "make the disk writable again", exitCode: exitCodes.disk },
  EIO: { text: "look after the disk", exitCode: exitCodes.disk },
  EACCES: { text: "give the user that runs the member the right to it", exitCode: exitCodes.failed },
  EPERM: { text: "give the user that runs the member the right to it", exitCode: exitCodes.failed },
};
const otherRemedy = {
  text: "no member left it like that: put back what lay there, or move it away",
  exitCode: exitCodes.failed,
};

/** @returns the exit code. @throws whatever is no error of the system */
function systemRefused(error: unknown, log: Log): number {
  if (!(error instanceof Error && "syscall" in error && "code" in error)) throw error;
  const { text, exitCode } = remedies[String(error.code)] ?? otherRemedy;
  log.fatal("cannot start", { error: `${error.message}; ${text}, then start the member again` });
  return exitCode;
}

/** A member may have to begin again: soon after it did, only if another process speaks under its id. */
async function runMember(flags: MemberFlags, log: Log): Promise<number> {
  let isAgain = false;
  for (;;) {
    const startedMs = performance.now();
    const end = await endOf(await startProcess(flags, log));
    if (end !== "again") return end;
    if (isAgain && performance.now() - startedMs < againMs) {
      throw new StartProblem(
        "cannot start",
        "other members know a later start of this one, again and again: another process runs under its id",
      );
    }
    isAgain = true;
  }
}

/** The steps before there is a member: ports that are free, a directory that is ours. */
async function startProcess(flags: MemberFlags, log: Log): Promise<MemberProcess> {
  const tooFew = tooFewHandles(handleLimit());
  if (tooFew !== undefined) throw new StartProblem("cannot start", tooFew);
  for (const address of [
    ...flags.listenPeer,
    ...flags.listenClient,
    ...flags.listenClientHttp,
    ...flags.listenMetrics,
  ]) {
    // The ports are opened for good later; a taken one is better known before anything is touched.
    await probe(address).catch((error: Error) => {
      throw new StartProblem("listen failed", error.message);
    });
  }
  const { dialler, entrances } = await openTls(flags, log);
  const asking = { timeoutMs: askTimeoutMs, dialler };
  const directory = await openDataDirectory(await withDiscovery(flags, log), log, {
    askPeers: (members, own) => askRunningCluster(members, own, asking),
    join: (cluster, own) => joinRunningCluster(cluster, own, asking),
  });
  try {
    await defragmentAtStart(directory.backend, flags.bootDefragmentBytes, log);
    return await MemberProcess.start({ flags, log, directory, dialler, entrances });
  } catch (error) {
    directory.backend.close();
    directory.lock.release();
    throw error;
  }
}

/** @param thresholdBytes what it must free to be worth the time; 0: never */
async function defragmentAtStart(backend: LmdbBackend, thresholdBytes: number, log: Log): Promise<void> {
  if (thresholdBytes === 0) return;
  const { allocatedBytes, usedBytes } = backend.size();
  const fields = { "freeable-bytes": allocatedBytes - usedBytes, "threshold-bytes": thresholdBytes };
  if (allocatedBytes - usedBytes < thresholdBytes) {
    log.info("skipping defragmentation at start", fields);
    return;
  }
  log.info("defragmenting at start", fields);
  await defragment(backend);
  log.info("finished defragmenting at start", { "current-db-size-bytes": backend.size().allocatedBytes });
}

/** The flags with the members that DNS or another etcd names; a member that has a directory knows them already. */
async function withDiscovery(flags: MemberFlags, log: Log): Promise<MemberFlags> {
  const { name, advertisePeerUrls, discoverySrv, discoveryRegister, dataDirectory } = flags;
  if (hasIdentity(join(dataDirectory, "member"))) return flags;
  if (discoverySrv !== undefined) {
    return { ...flags, initialCluster: await membersFromSrv(discoverySrv, { name, advertisePeerUrls, log }) };
  }
  if (discoveryRegister === undefined) return flags;
  // Loaded only here: a client is more than most starts need.
  const { askRegister } = await import("./register-discovery.ts");
  const { token } = discoveryRegister;
  const own = { memberId: memberIdFor(advertisePeerUrls, token), name, advertisePeerUrls, log };
  return { ...flags, initialCluster: await askRegister(discoveryRegister, own), clusterToken: token };
}

/** Waits for a signal or for the member's own end. A signal ends the process as it would have without a handler. */
async function endOf(member: MemberProcess): Promise<number | "again"> {
  let signalled: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    signalled ??= signal;
    void member.stop(signal);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const end = await member.ended;
  process.off("SIGTERM", onSignal);
  process.off("SIGINT", onSignal);
  if (end === "again" && signalled === undefined) return end;
  const exitCode = end === "again" ? 0 : end;
  // Whatever still holds the event loop is of no use to anyone.
  setTimeout(() => process.exit(exitCode), lingerMs).unref();
  if (signalled !== undefined && process.pid !== 1) process.kill(process.pid, signalled);
  return exitCode;
}
