/*
 * One cluster member: step(input) → outputs. It joins the rooms and decides nothing itself. What it does own is the
 * order in which things become durable and leave:
 *
 *     raft ready ─▶ messages leave ─▶ log written under a writeId ─▶ writeDone ─▶ votes and append replies leave
 *                                                             └─▶ committed and durable ─▶ applied ─▶ replies leave
 *
 * A promise never leaves before the write it stands on is durable; nothing is applied that is not in the own log.
 */
import { releaseText } from "./apply/cluster-version.ts";
import { encodeCommand } from "./apply/command.ts";
import type { Applied, Machine } from "./apply/machine.ts";
import { unreachable } from "./assert.ts";
import { refusalOfRoot } from "./auth/access.ts";
import type { Credential } from "./auth/identity.ts";
import type { MemberConfig } from "./config.ts";
import type { MemberCounts } from "./counts.ts";
import type { RefusalName } from "./errors.ts";
import type { LogIndex, MemberId, Revision, WriteId } from "./ids.ts";
import type { Input, PeerMessage } from "./input.ts";
import { type MemberIdentity, versionOf } from "./member-identity.ts";
import type { Output, StopCause } from "./output.ts";
import type { Backend, Random } from "./ports.ts";
import type { Entry } from "./raft/message.ts";
import { Raft } from "./raft/raft.ts";
import type { RaftView, Ready } from "./raft/ready.ts";
import type { AlarmRecord, MemberRecord } from "./request.ts";
import { AuthDesk } from "./server/auth-desk.ts";
import { Chores } from "./server/chores.ts";
import { CorruptionCheck } from "./server/corruption.ts";
import { Desk } from "./server/desk.ts";
import { Farewell } from "./server/farewell.ts";
import { Forwarded } from "./server/forwarded.ts";
import { Gate } from "./server/gate.ts";
import { LeaseCalls } from "./server/lease-calls.ts";
import { LogWriter } from "./server/log-writer.ts";
import { News } from "./server/news.ts";
import { Outbox } from "./server/outbox.ts";
import { PeerLinks } from "./server/peer-links.ts";
import { Proposals, type Settled } from "./server/proposals.ts";
import { Publication } from "./server/publication.ts";
import { type Read, Reads } from "./server/reads.ts";
import { Snapshots } from "./server/snapshots.ts";
import { Space } from "./server/space.ts";
import { divergenceText } from "./server/standing.ts";
import { StreamDesk } from "./server/stream-desk.ts";
import { Transfers } from "./server/transfers.ts";
import type { OpenedLog } from "./storage/open-log.ts";
import { WatchHub } from "./watch/hub.ts";

/** What a member is given for its life. */
export interface MemberSurroundings {
  readonly identity: MemberIdentity;
  readonly config: MemberConfig;
  readonly backend: Backend;
  readonly random: Random;
  /** The number of this life, from {@link nextIncarnation}: different in every life of this member, and rising. */
  readonly incarnation: number;
  readonly nowMs: number;
  /** Told of every operation on keys, leases, alarms and users right after it was applied, so that a world can time it. */
  readonly onApplied?: (operation: string, ok: boolean) => void;
}

/** One member. A world steps it with one input after the other and carries out what each step returns. */
export class Member {
  readonly #identity: MemberIdentity;
  readonly #incarnation: number;
  readonly #config: MemberConfig;
  readonly #machine: Machine;
  readonly #raft: Raft;
  readonly #outbox: Outbox;
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #leaseCalls: LeaseCalls;
  readonly #hub: WatchHub;
  readonly #transfers: Transfers;
  readonly #links = new PeerLinks();
  readonly #gate: Gate;
  readonly #streamDesk: StreamDesk;
  readonly #authDesk: AuthDesk;
  readonly #space: Space;
  readonly #desk: Desk;
  readonly #chores: Chores;
  readonly #corruption: CorruptionCheck;
  readonly #writer: LogWriter;
  readonly #snapshots: Snapshots;
  readonly #forwarded: Forwarded;
  readonly #news: News;
  readonly #publication: Publication;
  readonly #farewell: Farewell;
  readonly #onApplied: MemberSurroundings["onApplied"];
  #nowMs: number;

  private constructor(start: MemberSurroundings, machine: Machine, log: OpenedLog) {
    this.#identity = start.identity;
    this.#incarnation = start.incarnation;
    this.#config = start.config;
    this.#machine = machine;
    this.#onApplied = start.onApplied;
    this.#nowMs = start.nowMs;
    const { memberId, clusterId } = start.identity;
    const { config, incarnation } = start;
    const raft = new Raft({
      id: memberId,
      configuration: machine.membership.configuration,
      config,
      hardState: log.hardState,
      snapshotIndex: log.base.index,
      snapshotTerm: log.base.term,
      entries: log.entries,
      appliedIndex: machine.appliedIndex,
      random: start.random.fork("election"),
      incarnation,
      standing: "checking",
      forgotten: log.isDamaged ? "damaged entries" : undefined,
      leaveJoint: () =>
        encodeCommand({ id: { origin: memberId, incarnation, sequence: 0 }, request: { type: "leaveJoint" } }),
      wasVoter: (id) => machine.membership.get(id)?.wasVoter === true,
      hasServed: (id) => machine.membership.records.some((record) => record.memberId === id && record.name !== ""),
    });
    this.#raft = raft;
    const outbox = new Outbox({
      ...{ clusterId, memberId, term: () => raft.term, answerBytesMax: config.answerBytesPerStepMax },
    });
    this.#outbox = outbox;
    this.#proposals = new Proposals({ raft, links: this.#links, config, origin: memberId, incarnation });
    this.#reads = new Reads({ raft, config });
    this.#leaseCalls = new LeaseCalls({
      raft,
      reads: this.#reads,
      config,
      outbox,
      proposals: this.#proposals,
      incarnation,
      state: machine,
    });
    this.#hub = new WatchHub({
      source: machine.store,
      config,
      emit: (streamId, body) => outbox.watchReply(streamId, body),
    });
    this.#transfers = new Transfers({ raft, outbox, config });
    this.#gate = new Gate({ machine, config });
    this.#streamDesk = new StreamDesk({
      raft,
      gate: this.#gate,
      machine,
      hub: this.#hub,
      leaseCalls: this.#leaseCalls,
      outbox,
      config,
    });
    this.#authDesk = new AuthDesk({
      machine,
      config,
      outbox,
      proposals: this.#proposals,
      random: start.random.fork("token"),
    });
    const { backend } = start;
    this.#space = new Space({ raft, machine, backend, config, proposals: this.#proposals, outbox });
    this.#desk = new Desk({
      raft,
      machine,
      backend: start.backend,
      config,
      outbox,
      proposals: this.#proposals,
      reads: this.#reads,
      leaseCalls: this.#leaseCalls,
      gate: this.#gate,
      authDesk: this.#authDesk,
      transfers: this.#transfers,
      links: this.#links,
      space: this.#space,
      random: start.random.fork("lease-id"),
    });
    this.#corruption = new CorruptionCheck({
      raft,
      machine,
      config,
      outbox,
      proposals: this.#proposals,
      incarnation,
      nowMs: start.nowMs,
    });
    this.#chores = new Chores({
      raft,
      links: this.#links,
      machine,
      config,
      proposals: this.#proposals,
      outbox,
      nowMs: start.nowMs,
      version: versionOf(start.identity),
    });
    this.#writer = new LogWriter({ raft, log: log.store, outbox });
    this.#snapshots = new Snapshots({
      id: memberId,
      raft,
      machine,
      backend: start.backend,
      config,
      outbox,
      writer: this.#writer,
      hub: this.#hub,
    });
    this.#forwarded = new Forwarded({ memberId, raft, links: this.#links, machine, config, outbox });
    this.#news = new News({ raft, outbox, alarms: machine.alarms.records });
    this.#publication = new Publication({ raft, config, proposals: this.#proposals, outbox, identity: start.identity });
    this.#farewell = new Farewell({ outbox, electionTicks: config.electionTicks });
  }

  /** Only startMember calls this. */
  static start(
    start: MemberSurroundings,
    machine: Machine,
    log: OpenedLog,
  ): { member: Member; outputs: readonly Output[] } {
    const member = new Member(start, machine, log);
    for (const text of log.notes) member.#outbox.log("warn", text);
    member.#writer.writeHousekeeping(log.operations);
    member.#advance();
    if (machine.membership.isRemoved(start.identity.memberId)) member.#farewell.end();
    return { member, outputs: member.#outbox.take() };
  }

  get raft(): RaftView {
    return this.#raft;
  }
  get identity(): MemberIdentity {
    return this.#identity;
  }
  /** What the cluster keeps to, such as 3.6.0; undefined until it is decided. */
  get clusterVersion(): string | undefined {
    const { version } = this.#machine.cluster;
    return version === undefined ? undefined : releaseText(version);
  }
  get appliedIndex(): LogIndex {
    return this.#machine.appliedIndex;
  }
  get currentRevision(): Revision {
    return this.#machine.store.currentRevision;
  }
  get compactRevision(): Revision {
    return this.#machine.store.compactRevision;
  }
  /** Highest compaction whose old entries are gone from this member's backend; −1 when none was ever. */
  get compactedPhysically(): number {
    return this.#machine.store.compactedPhysically;
  }
  get members(): readonly MemberRecord[] {
    return this.#machine.membership.records;
  }
  get alarms(): readonly AlarmRecord[] {
    return this.#machine.alarms.records;
  }
  /** Reads wait that a step without any input would serve. */
  get hasPostponed(): boolean {
    return this.#reads.hasPostponed;
  }
  /** The part of {@link counts} that costs nothing to ask for. */
  get readCounts(): MemberCounts["reads"] {
    return this.#reads.counts;
  }
  /** What happened here in this life. */
  get counts(): MemberCounts {
    const { store, counts: keys, lessor, auth } = this.#machine;
    const { pieces, entries, isPending } = store.compactionCounts;
    return {
      keys,
      storedKeys: store.keyCount,
      compactedEntries: entries,
      compactionPieces: pieces,
      isCompacting: isPending,
      leases: lessor.counts,
      watches: this.#hub.counts,
      authRevision: auth.revision,
      writes: { waiting: this.#proposals.count, failed: this.#proposals.failed },
      reads: this.#reads.counts,
      snapshotsSent: this.#snapshots.sent,
      snapshotsReceived: this.#snapshots.received,
      snapshotFrom: this.#snapshots.arrivingFrom,
      isInstalling: this.#snapshots.isInstalling,
    };
  }
  /** Whether that member belonged once and never will again. */
  isRemoved(memberId: MemberId): boolean {
    return this.#machine.membership.isRemoved(memberId);
  }
  /** Hash of the key space at a revision (0: current), for comparing members. */
  hashKv(revision: number): ReturnType<Machine["hashKv"]> {
    return this.#machine.hashKv(revision);
  }

  /** Hash of users, roles and the auth switch, for comparing members. */
  authHash(): number {
    return this.#machine.auth.hash();
  }

  /** What auth has against the caller of a call that only operators may make and that its world answers itself. */
  refusalOfOperator(credential: Credential | undefined, nowMs: number): RefusalName | undefined {
    const caller = this.#gate.identify(credential, nowMs);
    if (caller.type === "refused") return caller.refusal;
    if (caller.type === "later") return "invalidAuthToken";
    return refusalOfRoot(this.#machine.auth, caller.identity);
  }

  /** {@link hashKv} of the current revision at the cost of what is new since the last call; for frequent comparisons. */
  runningHash(): ReturnType<Machine["runningHash"]> {
    return this.#machine.runningHash();
  }

  /** Advances the member by one input. Carry the outputs out in order before the next step. */
  step(input: Input): readonly Output[] {
    return this.stepAll([input]);
  }

  /**
   * Advances the member by inputs that came at about the same time, in that order, as if nothing could leave between
   * them: what they make leaves together, so that many requests become one write of the log and one append to each
   * follower. Every promise waits for that one write, which holds what all of them stand on.
   */
  stepAll(inputs: readonly Input[]): readonly Output[] {
    for (const input of inputs) {
      this.#take(input);
      // Who leads no more answers nothing as a leader, not even what came in with the news.
      if (this.#news.isDue) this.#advance();
    }
    this.#advance();
    this.#servePostponed();
    const { outlivedBy, divergence } = this.#raft;
    if (outlivedBy > 0) this.#outbox.push({ type: "outlived", incarnation: outlivedBy });
    if (divergence !== undefined) this.#end("diverged", divergenceText(divergence, this.#raft, this.members));
    return this.#outbox.take();
  }

  #take(input: Input): void {
    this.#nowMs = input.nowMs;
    this.#raft.noteNow(input.nowMs);
    switch (input.type) {
      case "tick":
        this.#tick();
        break;
      case "peerMessage":
        this.#receive(input.message);
        break;
      case "peerLink":
        this.#links.note(input.memberId, input.connected, this.#nowMs);
        if (input.connected) this.#raft.connected(input.memberId);
        this.#proposals.noteLink();
        break;
      case "clientRequest":
        this.#desk.submit(input.requestId, input.request, input);
        break;
      case "clientGone":
        this.#proposals.forget(input.requestId);
        this.#reads.forget(input.requestId);
        this.#authDesk.forget(input.requestId);
        break;
      case "streamOpened":
        this.#streamDesk.open(input);
        break;
      case "streamRequest":
        this.#streamDesk.handle(input.streamId, input.request, this.#nowMs);
        break;
      case "streamDrained":
        this.#streamDesk.drained(input.streamId, input.replies);
        break;
      case "streamClosed":
        this.#streamDesk.close(input.streamId);
        break;
      case "passwordHashed":
        this.#authDesk.passwordHashed(input.requestId, input.hash, this.#nowMs);
        break;
      case "passwordChecked":
        this.#authDesk.passwordChecked(input.requestId, input.matches, this.#nowMs);
        break;
      case "diskSpace":
        this.#space.note(input.isFull, this.#nowMs);
        break;
      case "writeDone":
        this.#writer.done(input.writeId);
        break;
      case "backendSynced":
        this.#backendSynced(input.writeId);
        break;
      default:
        unreachable(input);
    }
  }

  // ---- inputs ------------------------------------------------------------------------------------------------

  #tick(): void {
    this.#raft.tick();
    this.#machine.tick();
    this.#space.tick(this.#nowMs);
    this.#desk.tick();
    this.#authDesk.tick(this.#nowMs);
    this.#gate.tick(this.#nowMs);
    this.#answer(this.#proposals.tick(this.#nowMs));
    for (const read of this.#reads.tick(this.#nowMs)) this.#timeOut(read);
    this.#leaseCalls.tick(this.#nowMs);
    this.#hub.tick(this.#nowMs);
    this.#streamDesk.tick();
    this.#transfers.settle(this.#nowMs);
    this.#snapshots.tick();
    this.#farewell.tick();
    if (this.#corruption.mayServe) this.#publication.tick(this.#nowMs);
    this.#chores.tick(this.#nowMs);
    this.#endIfInconsistent(this.#corruption.tick(this.#nowMs));
  }

  #receive(message: PeerMessage): void {
    switch (message.type) {
      case "leaseRenew":
      case "leaseRenewReply":
      case "leaseQuery":
      case "leaseQueryReply":
        this.#leaseCalls.handlePeer(message, this.#nowMs);
        return;
      case "hashQuery":
      case "hashReply":
        this.#endIfInconsistent(this.#corruption.handle(message));
        return;
      case "snapshotChunk":
        // What was gathered is written and applied first: while a snapshot is put in place nothing is, and after that the
        // log counts as written up to its end.
        this.#advance();
        this.#snapshots.receive(message);
        return;
      case "snapshotChunkReply":
        this.#snapshots.handleReply(message);
        return;
      case "memberRemoved":
        if (message.to === this.#identity.memberId) this.#farewell.begin();
        return;
      case "proposalRefused":
        if (message.incarnation === this.#incarnation) {
          const settled = this.#proposals.refused(message.proposal, message.refusal);
          if (settled !== undefined) this.#desk.answer(settled);
        }
        return;
      case "proposeConfiguration":
      case "propose": {
        const what = this.#forwarded.impossibility(message);
        if (what !== undefined) this.#outbox.event({ type: "impossibleWord", from: message.from, what });
        else if (message.type === "propose" || !this.#forwarded.refusesConfiguration(message)) this.#raft.step(message);
        return;
      }
      case "hello":
      case "helloReply":
      case "register":
      case "preVote":
      case "vote":
        if (!this.#machine.membership.isRemoved(message.from)) this.#raft.step(message);
        else this.#outbox.send({ type: "memberRemoved", from: message.to, to: message.from });
        return;
      case "append":
        // The log is about to restart behind an installed snapshot; the leader will send this again.
        if (!this.#snapshots.isInstalling) this.#raft.step(message);
        return;
      default: {
        const what = this.#raft.impossibility(message);
        if (what !== undefined) {
          this.#outbox.event({ type: "impossibleWord", from: message.from, what });
          return;
        }
        this.#raft.step(message);
        if (message.type === "appendAccepted") this.#snapshots.acknowledged(message.from);
      }
    }
  }

  #backendSynced(writeId: WriteId): void {
    if (!this.#snapshots.backendSynced(writeId)) return;
    this.#gate.applied();
    this.#serve(this.#reads.applied(this.#machine.appliedIndex));
  }

  // ---- what raft has ready -----------------------------------------------------------------------------------

  /** While a snapshot is being made durable Raft gathers but nothing leaves: its log is about to be replaced. */
  #advance(): void {
    do {
      while (this.#raft.hasReady() && !this.#snapshots.isInstalling) this.#carryOut(this.#raft.takeReady());
      // What waited for a leader is proposed when one is noticed, and that makes more ready.
    } while (this.#noteRole() && this.#raft.hasReady());
    this.#news.lookForStanding(this.members);
  }

  #carryOut(ready: Ready): void {
    for (const message of ready.messages) this.#outbox.send(message);
    this.#writer.write(ready);
    if (ready.committed.length > 0) this.#apply(ready.committed);
    for (const state of ready.readStates)
      this.#serve(this.#reads.proven(state, this.#machine.appliedIndex, this.#nowMs));
    for (const readContext of ready.readsAborted) this.#reads.aborted(readContext, this.#nowMs);
    for (const to of ready.snapshotsWanted) this.#snapshots.start(to);
    for (const command of ready.dropped) this.#forwarded.refuse(command, "proposalDropped");
  }

  #apply(committed: readonly Entry[]): void {
    for (const entry of committed) {
      const applied = this.#machine.apply(entry, this.#nowMs);
      if (applied.operation !== undefined) this.#onApplied?.(applied.operation, applied.result?.ok !== false);
      if (applied.reconfigured) this.#noteReconfigured();
      if (applied.changes.length > 0) this.#hub.notify(applied.changes, this.#machine.store.currentRevision);
      // A replayed entry of an earlier life says nothing of how far this life has come.
      const isOwn = applied.published === this.#identity.memberId && applied.id?.incarnation === this.#incarnation;
      if (isOwn) this.#publication.applied();
      this.#answerApplied(applied);
    }
    this.#raft.appliedTo(this.#machine.appliedIndex);
    this.#maybeBecomePrimary();
    this.#gate.applied();
    this.#leaseCalls.applied(this.#nowMs);
    this.#corruption.applied();
    this.#news.lookForAlarms(this.#machine.alarms.records);
    this.#serve(this.#reads.applied(this.#machine.appliedIndex));
    this.#snapshots.maybeCompactLog();
  }

  /** Leases have times once everything is applied that earlier leaders may have acknowledged. */
  #maybeBecomePrimary(): void {
    const { lessor, appliedTerm } = this.#machine;
    if (lessor.isPrimary || this.#raft.role !== "leader" || appliedTerm !== this.#raft.term) return;
    lessor.promote(this.#nowMs, this.#config.electionTicks * this.#config.tickMs);
  }

  #noteReconfigured(): void {
    const { membership } = this.#machine;
    this.#raft.applyConfiguration(membership.configuration);
    this.#outbox.event({ type: "membersChanged" });
    if (membership.isRemoved(this.#identity.memberId)) this.#farewell.begin();
  }

  #answerApplied(applied: Applied): void {
    if (applied.id === undefined || applied.result === undefined) return;
    const settled = this.#proposals.settle(applied.id, applied.result);
    if (settled !== undefined) this.#desk.answer(settled);
  }

  #answer(ended: readonly Settled[]): void {
    for (const settled of ended) this.#desk.answer(settled);
  }

  /** As many as this step has room for. */
  #servePostponed(): void {
    if (this.#outbox.isFull) return;
    for (const { requestId, request, credential } of this.#reads.takePostponed()) {
      this.#desk.serve(requestId, request, credential, this.#nowMs);
      if (this.#outbox.isFull) return;
    }
  }

  #serve(reads: readonly Read[]): void {
    for (const read of reads) {
      if (read.type === "request") this.#desk.serveInTurn(read.requestId, read.request, read.credential, this.#nowMs);
      else if (read.type === "leaseCall") this.#leaseCalls.serve(read.callId, this.#nowMs);
      else this.#leaseCalls.servePeer(read.question, this.#nowMs);
    }
  }

  /** Lease calls keep their own time. */
  #timeOut(read: Read): void {
    if (read.type === "request") this.#outbox.refuse(read.requestId, "timedOut");
  }

  /** True when another leader is known than before. */
  #noteRole(): boolean {
    const isNewLeader = this.#news.lookForLeader();
    if (isNewLeader) {
      if (this.#raft.leaderId !== undefined) this.#proposals.noteLeader(this.#nowMs);
      this.#transfers.settle(this.#nowMs);
    }
    if (this.#news.lookForRole() === "leader") {
      this.#machine.lessor.demote();
      if (this.#raft.role !== "leader") this.#snapshots.stop();
    }
    return isNewLeader;
  }

  #endIfInconsistent(reason: string | undefined): void {
    if (reason !== undefined) this.#end("inconsistent", reason);
  }

  #end(cause: StopCause, reason: string): void {
    this.#outbox.push({ type: "stop", reason, cause });
  }
}
