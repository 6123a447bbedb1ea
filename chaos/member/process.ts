/*
 * One member and everything around it: disk, backend, network, clock, client port. It starts the peer port first and
 * the client port only when the cluster knows this member, and takes them down in the opposite order.
 */
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import {
  decodePeerMessage,
  encodePeerMessage,
  hexOf,
  type Member,
  type MemberEvent,
  type MemberStart,
  type MemberStarted,
  startMember,
} from "../../core/index.ts";
import type { LmdbBackend } from "./backend.ts";
import type { CallMeter } from "./call-meter.ts";
import { callPath, messageBytesMaxOf } from "./call-path.ts";
import { MemberClock } from "./clock.ts";
import { type OpenedDirectory, StartProblem } from "./data-directory.ts";
import { LogDisk, rewriteDoubtful } from "./disk.ts";
import { DurableRecord, endOfLog } from "./durable-record.ts";
import { featureStates } from "./feature-gates.ts";
import type { MemberFlags } from "./flags.ts";
import { type Entrances, Front } from "./front.ts";
import { type ClientHttpOptions, clientHttp, metricsHttp, peerHttp } from "./gateway.ts";
import { GrpcTransport } from "./grpc/transport.ts";
import { handOver } from "./hand-over.ts";
import { handleLimit } from "./handles.ts";
import { addedMemberId, writeIdentity } from "./identity.ts";
import { BackendProblem, backendRemedy } from "./lmdb-environment.ts";
import type { Log } from "./log.ts";
import { Loop, type StopReason } from "./loop.ts";
import { Metrics } from "./metrics/metrics.ts";
import { Narrator } from "./narrator.ts";
import { PeerNetwork } from "./network.ts";
import { warnOfOtherPlace } from "./other-place.ts";
import { Passwords } from "./passwords.ts";
import type { PeerDialler } from "./peer-dial.ts";
import type { PeerAddress } from "./peer-link.ts";
import { termProblem } from "./peer-terms.ts";
import { Places } from "./places.ts";
import { Profiles } from "./profiles.ts";
import { realRandom } from "./random.ts";
import { type CallStatus, Seam, statusOf } from "./seam.ts";
import { SignedTokens, type TokenOptions } from "./signed-tokens.ts";
import { variablesOf } from "./variables.ts";
import { etcdVersion, storageVersion } from "./version.ts";

export interface ProcessStart {
  readonly flags: MemberFlags;
  readonly log: Log;
  readonly directory: OpenedDirectory;
  readonly dialler: PeerDialler;
  readonly entrances: Entrances;
}

/**
 * An operator's mistake or a port: 1. A member that found itself wrong: 2, as etcd's panics. A disk that failed: 74, the
 * system's own number for it (EX_IOERR), so that whoever starts members again can tell that a start alone will not help.
 */
export const exitCodes = { asked: 0, failed: 1, broken: 2, disk: 74 } as const;
const exitCodeOf = {
  disk: exitCodes.disk,
  listener: exitCodes.failed,
  invariant: exitCodes.broken,
  inconsistent: exitCodes.broken,
  diverged: exitCodes.broken,
  removed: exitCodes.asked,
};
/** How long calls under way may take to finish when the process is asked to end. */
const graceMs = 2_000;

export class MemberProcess {
  /** Resolves with the exit code when everything is closed; "again": the member has to be started once more. */
  readonly ended: Promise<number | "again">;
  readonly #start: ProcessStart;
  readonly #member: Member;
  readonly #loop: Loop;
  readonly #disk: LogDisk;
  readonly #network: PeerNetwork;
  readonly #seam: Seam;
  readonly #passwords: Passwords;
  readonly #calls: CallMeter;
  readonly #metrics: Metrics;
  readonly #grpc: GrpcTransport;
  readonly #front: Front;
  readonly #narrator: Narrator;
  #end: (exitCode: number | "again") => void = () => {};
  #ending = false;

  /** @throws StartProblem when the directory's content does not allow it, or a port is taken */
  static async start(start: ProcessStart): Promise<MemberProcess> {
    const { flags, directory, log } = start;
    const { memberId, clusterId, members, incarnation } = directory.identity;
    log.info("starting an etcd server", {
      "etcd-version": etcdVersion,
      name: flags.name,
      "data-dir": flags.dataDirectory,
      "wal-dir": directory.walDirectory,
      "initial-advertise-peer-urls": flags.advertisePeerUrls,
      "advertise-client-urls": flags.advertiseClientUrls,
      "heartbeat-interval": `${flags.config.tickMs}ms`,
      "election-timeout": `${flags.electionTimeoutMs}ms`,
      "local-member-id": hexOf(memberId),
      "cluster-id": hexOf(clusterId),
    });
    // What is applied while it starts is a replay, and nobody's.
    let onApplied = (_operation: string, _ok: boolean): void => {};
    const clock = new MemberClock(directory.points);
    const started = startedFrom(directory.backend, {
      identity: { name: flags.name, memberId, clusterId, clientUrls: flags.advertiseClientUrls },
      config: flags.config,
      segments: directory.segments,
      members,
      random: realRandom(),
      incarnation,
      nowMs: clock.nowMs(),
      forceNewCluster: flags.forceNewCluster,
      onApplied: (operation, ok) => onApplied(operation, ok),
    });
    if (!started.ok) {
      const isElsewhere = directory.segments.length === 0 && flags.walHome === undefined;
      const hint = isElsewhere ? "; if this member was started with --wal-dir before, give it again" : "";
      throw new StartProblem("cannot start", `${started.reason}${hint}`);
    }
    warnOfOtherPlace(started.member.members, { memberId, flags, log });
    const durable = new DurableRecord(directory.points.durableRecordPath);
    if (flags.fsync) {
      rewriteDoubtful(directory.walDirectory, started.doubtful);
      durable.note(endOfLog(directory.segments));
    }
    directory.backend.removeStale();
    // The log as it was read is of no use any more, and large.
    directory.segments.splice(0);
    const process = new MemberProcess(start, { member: started.member, clock, durable });
    onApplied = (operation, ok) => process.#noteApplied(operation, ok);
    await process.#front.open().catch((error: Error) => {
      throw new StartProblem("listen failed", error.message);
    });
    process.#network.start();
    process.#loop.start(started.outputs);
    directory.room.watch({
      onChange: (isFull) => process.#loop.step({ type: "diskSpace", isFull }),
      onCheck: () => process.#loop.retryCommit(),
    });
    return process;
  }

  private constructor(
    start: ProcessStart,
    {
      member,
      clock,
      durable,
    }: {
      readonly member: Member;
      readonly clock: MemberClock;
      readonly durable: DurableRecord;
    },
  ) {
    this.#start = start;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#member = member;
    const { flags, directory, log } = start;
    const { backend } = directory;
    const { memberId, clusterId } = directory.identity;
    const tokens = signedTokens(flags.tokens);
    this.#passwords = new Passwords({
      cost: flags.bcryptCost,
      onHashed: (requestId, hash) => this.#loop.step({ type: "passwordHashed", requestId, hash }),
      onChecked: (requestId, matches) => this.#loop.step({ type: "passwordChecked", requestId, matches }),
    });
    this.#seam = new Seam({
      submit: (input) => this.#loop.step(input),
      ...(tokens === undefined ? {} : { signToken: (user, authRevision) => tokens.sign(user, authRevision) }),
      chooseMemberId: (peerUrls) => addedMemberId(peerUrls, Date.now()),
      fragmentBytesMax: messageBytesMaxOf(flags.config),
      facts: { version: etcdVersion, storageVersion, quotaBytes: Math.max(0, flags.config.quotaBytes) },
    });
    this.#network = new PeerNetwork({
      memberId,
      clusterId,
      peers: this.#peers(),
      peerUrls: flags.advertisePeerUrls,
      connect: start.dialler.connect,
      isRemoved: (id) => member.isRemoved(id),
      onRemoved: (by) =>
        this.#loop.step({ type: "peerMessage", message: { type: "memberRemoved", from: by, to: memberId } }),
      onLink: (id, connected) => this.#loop.step({ type: "peerLink", memberId: id, connected }),
      encode: encodePeerMessage,
      decode: decodePeerMessage,
      problemOf: (message) => termProblem(message, member.raft.term),
      onMessage: (message) => this.#loop.step({ type: "peerMessage", message }),
      log,
      readTimeoutMs: flags.peerTimeouts.readMs,
      writeTimeoutMs: flags.peerTimeouts.writeMs,
    });
    const { config } = flags;
    this.#metrics = new Metrics({
      member,
      memberId,
      version: etcdVersion,
      quotaBytes: config.quotaBytes,
      features: featureStates({
        CompactHashCheck: config.compactHashCheckMs > 0,
        InitialCorruptCheck: config.initialCorruptCheck,
        LeaseCheckpoint: config.leaseCheckpoints,
        LeaseCheckpointPersist: config.leaseCheckpoints,
      }),
      backend,
      tickMs: config.tickMs,
      slowApplyMs: flags.warnApplyMs,
      extensive: flags.extensiveMetrics,
      calls: () => this.#calls,
      traffic: this.#network.traffic,
    });
    this.#disk = new LogDisk({
      directory: directory.walDirectory,
      fsync: flags.fsync,
      onDone: (writeId) => this.#loop.step({ type: "writeDone", writeId }),
      onFailure: (error) =>
        this.#loop.fail({ kind: "disk", text: `the log could not be written: ${error.message}; ${remedyFor(error)}` }),
      room: directory.room,
      points: directory.points,
      durable,
      onBatch: (batch) => this.#noteBatch(batch),
    });
    this.#narrator = new Narrator({
      log,
      clusterId,
      member,
      tickMs: flags.config.tickMs,
      readRetryMs: flags.config.readRetryMs,
      requestTimeoutMs: flags.config.requestTimeoutMs,
      quotaBytes: flags.config.quotaBytes,
      isDiskFull: () => directory.room.isFull,
    });
    this.#loop = new Loop(member, {
      clock,
      tickMs: flags.config.tickMs,
      commitMs: flags.backendCommitMs,
      commitWrites: flags.backendCommitWrites,
      backend,
      disk: this.#disk,
      room: directory.room,
      network: {
        send: (message) => {
          if (message.type === "heartbeat") this.#metrics.noteHeartbeat(message.to);
          this.#network.send(message);
        },
      },
      seam: this.#seam,
      passwords: this.#passwords,
      points: directory.points,
      onEvent: (event) => this.#note(event),
      onStop: (reason) => (reason.kind === "removed" ? void this.#leave(reason.text) : this.#fail(reason)),
      onOutlived: (life) => void this.#beginAgain(life),
      onCommit: (durationMs) => this.#metrics.noteCommit(durationMs),
      onStep: (atMs) => this.#metrics.noteStep(atMs),
      onTicked: (atMs, tookMs) => {
        this.#metrics.noteTick(atMs, tookMs);
        this.#narrator.lookAround(atMs);
      },
    });
    const { calls, entrance } = callPath({
      seam: this.#seam,
      identity: { memberId, clusterId },
      ...{ member, backend, flags, log, tokens },
      metrics: this.#metrics,
      nowMs: () => clock.nowMs(),
    });
    this.#calls = calls;
    const limits = {
      requestBytesMax: flags.config.requestBytesMax,
      concurrentCallsMax: flags.concurrentCallsMax,
      keepaliveIntervalMs: flags.keepaliveIntervalMs,
      keepaliveTimeoutMs: flags.keepaliveTimeoutMs,
      keepaliveLeastMs: flags.keepaliveLeastMs,
      certificateUsers: flags.clientTls.clientCertAuth,
    };
    const refusalOfHealth = (): CallStatus | undefined =>
      member.raft.configuration.learners.includes(memberId) ? statusOf("notSupportedForLearner") : undefined;
    this.#grpc = new GrpcTransport(entrance, limits, refusalOfHealth);
    const probes = {
      health: {
        target: this.#seam,
        hasLeader: () => member.raft.leaderId !== undefined,
        noteHealth: (healthy) => this.#metrics.noteHealth(healthy),
        noteCheck: (check) => this.#metrics.noteCheck(check),
      },
      metrics: this.#metrics,
    } satisfies Pick<ClientHttpOptions, "health" | "metrics">;
    this.#front = new Front({
      flags,
      entrances: start.entrances,
      places: new Places(handleLimit(), log),
      log,
      peers: this.#network,
      peerHttp: peerHttp({
        clusterVersion: () => member.clusterVersion,
        clusterIdHex: hexOf(clusterId),
        members: () => member.members,
        founders: directory.identity.members,
        onForeignPeer: foreignPeers(log),
      }),
      grpc: this.#grpc,
      clientHttp: clientHttp({
        clusterVersion: () => member.clusterVersion,
        gateway: flags.jsonGateway
          ? { target: entrance, messageBytesMax: 2 * messageBytesMaxOf(flags.config) }
          : undefined,
        ...probes,
        variables: () => variablesOf(member),
        profiles: flags.profiles ? new Profiles() : undefined,
        hostWhitelist: flags.hostWhitelist,
        corsOrigins: flags.corsOrigins,
        // With users, nobody may do nothing.
        certificatesMatter: () =>
          flags.clientTls.clientCertAuth && member.refusalOfOperator(undefined, clock.nowMs()) !== undefined,
      }),
      metricsHttp: metricsHttp(probes),
    });
  }

  // ---- while it runs -------------------------------------------------------------------------------------------

  /** Those the member list names; while it does not name this member, also those it was told to begin with. */
  #peers(): PeerAddress[] {
    const { directory } = this.#start;
    const { memberId, contacts } = directory.identity;
    const known = this.#member.members;
    const isCaughtUp = known.some((record) => record.memberId === memberId);
    const records = isCaughtUp
      ? known
      : [...contacts, ...known.filter((record) => !contacts.some((other) => other.memberId === record.memberId))];
    return records.map((record) => ({ memberId: record.memberId, addresses: record.peerUrls }));
  }

  async #serveClients(): Promise<void> {
    this.#start.log.info("ready to serve client requests");
    try {
      await this.#front.openClients();
    } catch (error) {
      this.#loop.fail({ kind: "listener", text: `listener failed: ${error instanceof Error ? error.message : error}` });
    }
  }

  #note(event: MemberEvent): void {
    this.#narrator.tell(event);
    if (event.type === "published") void this.#serveClients();
    else if (event.type === "membersChanged") this.#network.setPeers(this.#peers());
    else if (event.type === "leaderChanged") this.#metrics.noteLeader(event.leaderId !== undefined);
  }

  #noteApplied(operation: string, ok: boolean): void {
    const tookMs = this.#metrics.noteApplied(operation, ok);
    const { flags, log } = this.#start;
    if (tookMs < flags.warnApplyMs) return;
    const fields = {
      took: `${tookMs.toFixed(1)}ms`,
      "expected-duration": `${flags.warnApplyMs}ms`,
      request: operation,
    };
    log.warn("apply request took too long", fields);
  }

  #noteBatch(batch: { readonly writeMs: number; readonly syncMs: number; readonly bytes: number }): void {
    this.#metrics.noteFsync(batch);
    if (batch.syncMs < slowSyncMs) return;
    this.#start.log.warn("slow fdatasync", { took: `${batch.syncMs.toFixed(1)}ms`, "expected-duration": "1s" });
  }

  // ---- the end -------------------------------------------------------------------------------------------------

  /** Ends in good order: no new calls, those under way finish, the log and the backend are flushed. */
  async stop(signal: string): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const { log } = this.#start;
    log.info("received signal; shutting down", { signal: signalNames[signal] ?? signal });
    const urls = {
      name: this.#start.flags.name,
      "data-dir": this.#start.flags.dataDirectory,
      "advertise-peer-urls": this.#start.flags.advertisePeerUrls,
      "advertise-client-urls": this.#start.flags.advertiseClientUrls,
    };
    log.info("closing etcd server", urls);
    await handOver({
      ...{ member: this.#member, network: this.#network, seam: this.#seam, log },
      tickMs: this.#start.flags.config.tickMs,
    });
    this.#front.stopListening();
    await Promise.race([this.#seam.drain(), new Promise((resolve) => setTimeout(resolve, graceMs))]);
    const exitCode = await this.#close();
    log.info("closed etcd server", urls);
    this.#end(exitCode);
  }

  /** This member was removed from the cluster: it ends as if it had been asked to, and must not come back. */
  async #leave(reason: string): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const { log } = this.#start;
    log.error("server error", { error: reason });
    log.warn("data-dir used by this member must be removed");
    this.#front.stopListening();
    this.#end(await this.#close());
  }

  /** The number of this life says nothing to the others. The next one will be above that of any they know. */
  async #beginAgain(life: number): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const { log, directory, flags } = this.#start;
    log.warn(
      "starting again: other members know a later start of this one; its data are an old copy and its clock is wrong, or another process runs on a copy of its data",
      {
        start: directory.identity.incarnation,
        "later-start": life,
      },
    );
    writeIdentity(join(flags.dataDirectory, "member"), { ...directory.identity, incarnation: life });
    this.#front.stopListening();
    const exitCode = await this.#close();
    this.#end(exitCode === exitCodes.asked ? "again" : exitCode);
  }

  /** @returns the exit code */
  async #close(): Promise<number> {
    const { log, directory } = this.#start;
    this.#loop.stop();
    this.#seam.abandon();
    await this.#disk.close();
    let exitCode: number = exitCodes.asked;
    try {
      directory.backend.commit();
    } catch (error) {
      exitCode = exitCodes.failed;
      log.error("the backend could not be committed", {
        error: error instanceof Error ? error.message : String(error),
      });
    }
    await this.#grpc.stop(graceMs);
    this.#closeRest();
    return exitCode;
  }

  /** Ends at once: nothing is promised any more, and nothing more is written. */
  #fail(reason: StopReason): void {
    this.#ending = true;
    this.#start.log.fatal(`stopping: ${endTexts[reason.kind]}`, { error: reason.text });
    this.#seam.abandon();
    void this.#grpc.stop(0);
    this.#closeRest();
    this.#end(exitCodeOf[reason.kind]);
  }

  #closeRest(): void {
    this.#start.directory.room.stop();
    this.#passwords.stop();
    this.#front.destroyClients();
    this.#network.stop();
    this.#front.destroyPeers();
    this.#start.directory.backend.close();
    this.#start.directory.lock.release();
  }
}

/** @throws BackendProblem when the backend holds what no member writes: the log is known by its sums, the backend is not */
function startedFrom(backend: LmdbBackend, start: Omit<MemberStart, "backend">): MemberStarted {
  try {
    return startMember({ ...start, backend });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new BackendProblem(`what ${backend.directory} holds is no member's state: ${text}; ${backendRemedy}`);
  }
}

/** Tells of members of etcd itself, once for each: they try again for ever. */
function foreignPeers(log: Log): (request: IncomingMessage) => void {
  const told = new Set<string>();
  return ({ headers }) => {
    const from = String(headers["x-server-from"] ?? "unknown").slice(0, 32);
    if (told.has(from) || told.size >= 16) return;
    told.add(from);
    log.warn("request version incompatibility: a member of etcd itself cannot be a member of this cluster", {
      "remote-peer-id": from,
      "remote-peer-server-version": String(headers["x-server-version"] ?? "unknown").slice(0, 32),
    });
  };
}

/** @throws StartProblem when a key cannot be used */
function signedTokens(options: TokenOptions): SignedTokens | undefined {
  if (options.kind === "simple") return undefined;
  try {
    return new SignedTokens(options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartProblem("cannot start", `auth: invalid auth options: ${reason}`);
  }
}

/** As Go calls them. */
const signalNames: { readonly [signal: string]: string } = { SIGTERM: "terminated", SIGINT: "interrupt" };

const endTexts: { readonly [Kind in StopReason["kind"]]: string } = {
  disk: "the disk failed",
  listener: "a listener failed",
  invariant: "panic",
  inconsistent: "panic",
  diverged: "its history is not its cluster's",
  removed: "the member was removed",
};

/** Of a log that could not be written. What was promised is on the disk, or the promise never left. */
const remedyFor = (error: Error): string =>
  "code" in error && error.code === "ENOSPC"
    ? "free some space on this disk and start the member again: nothing it promised is lost"
    : "look after the disk, then start the member again: nothing it promised is lost";

/** etcd's bound for a sync worth a warning. */
const slowSyncMs = 1_000;
