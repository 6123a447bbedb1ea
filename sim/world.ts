/*
 * The seeded world: a plan in, everything that happened out. One event after the other is taken from the schedule and
 * handed to a machine, a link or a session; after each step of a member the invariants are looked at, and each event goes
 * into the digest. The first broken invariant ends the run, with all state still there to look at.
 */
import {
  type AlarmRecord,
  clusterIdOf,
  defaultMemberConfig,
  type MemberConfig,
  type MemberRecord,
  memberIdOf,
  type PeerMessage,
  type RefusalName,
  type Reply,
  type Retention,
  type Role,
  type StreamReply,
} from "../core/index.ts";
import type { HistoryEvent } from "../scenarios/history.ts";
import type { Plan } from "../scenarios/plan.ts";
import { Conductor, type ConductorOutput } from "../scenarios/session/conductor.ts";
import { Recorder } from "../scenarios/session/recorder.ts";
import { ClientLinks } from "./client-links.ts";
import { addMessage, Digest } from "./digest.ts";
import { kindOrders, kinds } from "./event-kinds.ts";
import { Faults } from "./faults.ts";
import type { HostWorld, PasswordWork, StartMember } from "./host-world.ts";
import { type BrokenInvariant, Invariants } from "./invariants.ts";
import { MemberHost } from "./member-host.ts";
import { SimNetwork } from "./network.ts";
import { isChange, Operator, operatorEveryMs } from "./operator.ts";
import { SimPasswords } from "./passwords.ts";
import { SimRandom } from "./random.ts";
import { Schedule, type ScheduledEvent } from "./schedule.ts";

export interface WorldOptions {
  readonly startMember: StartMember;
  /** Carries a message over the wire's bytes and back; undefined when the bytes are refused. */
  readonly recode?: ((message: PeerMessage) => PeerMessage | { readonly malformed: string }) | undefined;
  /** Every so manyth message is recoded; 1: all. */
  readonly recodeEvery?: number;
  /** False: nobody looks inside members; what is left is what clients see, and members that stop. Absent: true. */
  readonly invariants?: boolean;
}

/** Simulated time a run may take beyond its planned phases before it is given up. */
const overtimeMs = 300_000;
/** Events between two costly sweeps over all members. */
const sweepEvery = 4_096;

export class World implements HostWorld {
  readonly plan: Plan;
  readonly schedule = new Schedule();
  readonly hosts: readonly MemberHost[];
  readonly network: SimNetwork;
  readonly recorder: Recorder;
  readonly digest = new Digest();
  readonly invariants: Invariants;
  readonly operator: Operator;
  timeUs = 0;
  /** Events taken so far. */
  events = 0;
  /** Calls made by clients. */
  operations = 0;
  /** Steps of the final session that could not be done; undefined before it ended. */
  missing: readonly string[] | undefined;
  readonly #options: WorldOptions;
  readonly #links: ClientLinks;
  readonly #conductor: Conductor;
  readonly #faults: Faults;
  readonly #passwords: SimPasswords;
  readonly #endUs: number;
  #broken: BrokenInvariant | undefined;
  #over = false;
  #lastEvent: ScheduledEvent | undefined;

  constructor(plan: Plan, options: WorldOptions) {
    this.plan = plan;
    this.#options = options;
    this.#passwords = new SimPasswords(plan.seed);
    const { phases } = plan;
    this.#endUs = (phases.safetyMs + phases.progressBoundMs + phases.settleMs + overtimeMs) * 1_000;
    const names = plan.members.map((member) => member.name);
    this.recorder = new Recorder({ plan, sink: (event) => this.#noteHistory(event) });
    this.network = new SimNetwork({ seed: plan.seed, members: names.length, law: plan.link });
    this.invariants = new Invariants(names);
    this.hosts = this.#hosts();
    this.#links = new ClientLinks({ plan, recorder: this.recorder, world: this });
    this.operator = new Operator({ world: this, recorder: this.recorder });
    this.#conductor = new Conductor({ plan, recorder: this.recorder });
    const driftsPpm = plan.members.map((member) => member.clockDriftPpm);
    this.#faults = new Faults({ world: this, recorder: this.recorder, seed: plan.seed, driftsPpm });
    this.#begin();
  }

  /** The first broken invariant; it ended the run. */
  get broken(): BrokenInvariant | undefined {
    return this.#broken ?? this.invariants.broken;
  }
  /** Whether broken invariants end the run, or only members that stop. */
  get looksInside(): boolean {
    return this.#options.invariants !== false;
  }
  get lastEvent(): ScheduledEvent | undefined {
    return this.#lastEvent;
  }
  get isOver(): boolean {
    return this.#over;
  }
  /** Time from healing to the first acknowledged write; undefined: none within the bound. */
  get progressAfterMs(): number | undefined {
    return this.#conductor.progressAfterMs;
  }

  /** Runs to the end, to the first broken invariant, or to that simulated time. */
  run(untilMs = Number.POSITIVE_INFINITY): void {
    const untilUs = untilMs * 1_000;
    while (!this.#over && this.timeUs <= untilUs) this.stepEvent();
  }

  /** Lets the next event happen. */
  stepEvent(): void {
    const event = this.schedule.take();
    if (event === undefined || event.timeUs > this.#endUs) {
      this.#broken ??= { rule: "run-ended", text: "the run did not come to its end" };
      this.#over = true;
      return;
    }
    this.#lastEvent = event;
    this.timeUs = event.timeUs;
    this.events += 1;
    const { digest } = this;
    digest.add(event.timeUs);
    digest.add(event.kind * 1_024 + event.slot);
    digest.add(event.life * 65_536 + event.number);
    this.#handle(event);
    if (this.events % sweepEvery === 0) this.#sweep({ whole: false });
    if (this.broken !== undefined) this.#over = true;
  }

  // ---- HostWorld -----------------------------------------------------------------------------------------------

  send(from: number, message: PeerMessage): void {
    const to = Number(message.to) - 1;
    const receiver = this.hosts[to];
    if (receiver === undefined || to === from) return;
    const delaysMs = this.network.send(from, to);
    const { life } = receiver;
    const isClogged = delaysMs.length > 0 && this.network.isClogged(from, to);
    for (let copy = 0; copy < delaysMs.length; copy++) {
      if (isClogged && this.network.hold({ from, to, life, message })) continue;
      const atUs = this.timeUs + (delaysMs[copy] as number) * 1_000;
      this.schedule.add(atUs, messageOrder, kinds.peerMessage, to, life, from, message);
    }
  }

  replied(host: MemberHost, requestId: number, reply: Reply): void {
    this.digest.add(reply.ok ? reply.header.revision : -1);
    if (this.operator.replied(host, requestId, reply)) return;
    this.#links.replied(host, requestId, reply);
  }

  streamReplied(host: MemberHost, streamId: number, reply: StreamReply): void {
    this.digest.add(reply.header.revision);
    this.#links.streamReplied(host, streamId, reply);
  }

  streamEnded(host: MemberHost, streamId: number, refusal: RefusalName | undefined): void {
    this.#links.streamEnded(host, streamId, refusal);
  }

  passwordGiven(host: MemberHost, work: PasswordWork): void {
    const { afterUs, result } = this.#passwords.work(work);
    const order = kindOrders[kinds.passwordDone] ?? 0;
    this.schedule.add(this.timeUs + afterUs, order, kinds.passwordDone, host.slot, host.life, 0, result);
  }

  roleChanged(host: MemberHost, role: Role, term: number): void {
    this.recorder.record({ type: "role", atMs: this.#nowMs, member: host.name, role, term });
  }

  alarmsChanged(host: MemberHost, records: readonly AlarmRecord[]): void {
    const alarms = records.flatMap(({ memberId, alarm }) => {
      const member = this.hosts.find((other) => other.memberId === memberId)?.name ?? "";
      return alarm === "none" ? [] : [{ member, alarm }];
    });
    this.recorder.record({ type: "alarms", atMs: this.#nowMs, member: host.name, alarms });
  }

  compactedByItself(host: MemberHost, revision: number, retention: Retention): void {
    this.recorder.record({ type: "autoCompaction", atMs: this.#nowMs, member: host.name, revision, retention });
  }

  stepped(host: MemberHost): void {
    if (host.member !== undefined && this.looksInside) this.invariants.afterStep(host.slot, host.member);
  }

  lifeStarted(host: MemberHost): void {
    const detail = `life ${host.life}`;
    this.recorder.record({ type: "life", atMs: this.#nowMs, member: host.name, event: "started", detail });
  }

  lifeEnded(host: MemberHost, detail: string): void {
    this.invariants.ended(host.slot);
    this.#links.lifeEnded(host);
    this.recorder.record({ type: "life", atMs: this.#nowMs, member: host.name, event: "ended", detail });
    this.recorder.record({ type: "role", atMs: this.#nowMs, member: host.name, role: "down", term: 0 });
  }

  memberFailed(host: MemberHost, rule: string, reason: string): void {
    this.#broken ??= { rule, text: `${host.name}: ${reason}` };
  }

  /** It says that it was removed; it belongs no more only if somebody asked for that. */
  removedItself(host: MemberHost): void {
    if (this.operator.mayHaveRemoved(host)) host.leave();
  }

  finalFinished(missing: readonly string[]): void {
    this.missing = missing;
    this.#conduct(this.#conductor.finalDone(this.#nowMs));
  }

  // ---- events --------------------------------------------------------------------------------------------------

  #handle(event: ScheduledEvent): void {
    const { kind } = event;
    switch (kind) {
      case kinds.peerMessage:
        this.#deliver(event);
        return;
      case kinds.arrival:
        this.#links.arrive(event);
        return;
      case kinds.sessionInput:
        this.#links.arriveAtSession(event.slot, event.payload);
        return;
      case kinds.sessionWake:
        this.#links.wake(event.slot);
        return;
      case kinds.conductor:
        if (event.number === operatorNumber) this.#wakeOperator();
        else this.#conduct(this.#conductor.wake(this.#nowMs));
        return;
    }
    const host = this.hosts[event.slot];
    if (host === undefined || !host.isUp || host.life !== event.life) return;
    host.handle(event);
  }

  #deliver(event: ScheduledEvent): void {
    const host = this.hosts[event.slot];
    // A connection belongs to one life: what was sent to an earlier one, or to none, is lost.
    if (host === undefined || !host.isUp || host.life !== event.life) return;
    if (this.network.isCut(event.number, event.slot) || host.hold(event)) return;
    let message = event.payload as PeerMessage;
    addMessage(this.digest, message);
    const { recode, recodeEvery = 64 } = this.#options;
    if (recode !== undefined && this.events % recodeEvery === 0) {
      const recoded = this.#recode(recode, message);
      if (recoded === undefined) return;
      message = recoded;
    }
    host.step({ type: "peerMessage", nowMs: host.nowMs, message });
  }

  /** What arrives is what was sent, or the run ends. */
  #recode(recode: NonNullable<WorldOptions["recode"]>, message: PeerMessage): PeerMessage | undefined {
    const recoded = recode(message);
    if (!("malformed" in recoded)) {
      const sent = new Digest();
      const got = new Digest();
      addMessage(sent, message);
      addMessage(got, recoded);
      if (sent.equals(got) && recoded.from === message.from && recoded.to === message.to) return recoded;
    }
    const why = "malformed" in recoded ? recoded.malformed : "it arrives as another message";
    this.#broken ??= {
      rule: "message-bytes",
      text: `a message of type ${message.type} does not survive its bytes: ${why}`,
    };
    return undefined;
  }

  #conduct(outputs: readonly ConductorOutput[]): void {
    for (const output of outputs) {
      switch (output.type) {
        case "fault":
          this.#faults.make(output.fault);
          for (const { from, to, life, message } of this.network.takeReleased()) {
            this.schedule.add(this.timeUs, messageOrder, kinds.peerMessage, to, life, from, message);
          }
          break;
        case "stopClients":
          this.#links.stopClients();
          break;
        case "beginFinal":
          this.#links.beginFinal();
          break;
        case "endRun":
          this.#links.closeWatches();
          this.#sweep({ whole: true });
          this.#over = true;
          break;
        case "wakeAt": {
          const order = kindOrders[kinds.conductor] ?? 0;
          this.schedule.add(Math.max(this.timeUs, output.atMs * 1_000), order, kinds.conductor, 0, 0, 0, undefined);
          break;
        }
      }
    }
  }

  #sweep(how: { readonly whole: boolean }): void {
    if (!this.looksInside) return;
    this.invariants.sweep(
      this.hosts.map((host) => host.member),
      how,
    );
  }

  #wakeOperator(): void {
    this.operator.wake();
    const order = kindOrders[kinds.conductor] ?? 0;
    const atUs = this.timeUs + operatorEveryMs * 1_000;
    this.schedule.add(atUs, order, kinds.conductor, 0, 0, operatorNumber, undefined);
  }

  // ---- the beginning -------------------------------------------------------------------------------------------

  #begin(): void {
    const { plan } = this;
    this.recorder.record({
      type: "meta",
      format: 1,
      scenario: plan.scenario,
      seed: plan.seed,
      world: "sim",
      target: "faultline",
      members: plan.members.map((member) => member.name),
      startRevision: 1,
    });
    for (const host of this.hosts) host.start();
    this.#conduct([{ type: "wakeAt", atMs: 0 }]);
    if (needsOperator(plan)) this.#wakeOperator();
    this.#links.start();
  }

  #hosts(): readonly MemberHost[] {
    const { plan } = this;
    const random = new SimRandom(plan.seed);
    const founders = plan.members.flatMap((member, slot): MemberRecord[] => {
      if (member.joins === true) return [];
      const peerUrls = [`http://${member.name}:2380`];
      return [{ memberId: memberIdOf(BigInt(slot + 1)), name: "", peerUrls, clientUrls: [], isLearner: false }];
    });
    return plan.members.map((member, slot) => {
      const config: MemberConfig = { ...defaultMemberConfig, ...member.config };
      return new MemberHost({
        slot,
        name: member.name,
        memberId: memberIdOf(BigInt(slot + 1)),
        clusterId: clusterIdOf(0xfa017n),
        members: founders,
        config,
        clockOffsetMs: member.clockOffsetMs,
        clockDriftPpm: member.clockDriftPpm,
        syncMs: plan.syncMs,
        seed: plan.seed,
        random: random.fork(`member/${member.name}`),
        startMember: this.#options.startMember,
        world: this,
      });
    });
  }

  #noteHistory(event: HistoryEvent): void {
    const { digest } = this;
    digest.addText(event.type);
    switch (event.type) {
      case "call":
        this.operations += 1;
        digest.add(event.id);
        return;
      case "return":
        digest.add(event.id);
        digest.addText(event.outcome);
        if (event.outcome === "ok") digest.add(event.revision);
        return;
      case "watchReply":
        digest.add(event.watch);
        digest.add(event.revision);
        digest.add(event.events.length);
        return;
      case "replica":
        digest.add(event.hash);
        digest.add(event.revision);
        return;
      case "alarms":
        for (const { member, alarm } of event.alarms) digest.addText(`${member} ${alarm}`);
        return;
      case "autoCompaction":
        digest.add(event.revision);
        return;
      case "fault":
        digest.addText(event.fault);
        digest.addText(event.result);
        return;
      default:
        return;
    }
  }

  get #nowMs(): number {
    return Math.floor(this.timeUs / 1_000);
  }
}

/** Tells the operator's own wakes from the conductor's. */
const operatorNumber = 1;
const messageOrder = kindOrders[kinds.peerMessage] ?? 0;

/** Somebody changes members, or has to make room. */
const needsOperator = ({ faults, members }: Plan): boolean =>
  members.some(({ config }) => Object.hasOwn(config, "quotaBytes")) ||
  faults.some(({ fault }) => isChange(fault) || fault.fault === "fillDisk" || fault.fault === "disarmAlarms");
