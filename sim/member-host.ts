/*
 * One simulated machine: a member's process with its clock and its disk, its lives and its pauses. It feeds inputs to the
 * member, carries the outputs out in order, and can die between any two of them. What the disk does is in host-disk.ts.
 */

import {
  assert,
  type Input,
  type LogOperation,
  type MemberEvent,
  type MemberId,
  type MemberStart,
  nextIncarnation,
  type Output,
  type WriteId,
  writeIdOf,
} from "../core/index.ts";
import { SimClock } from "./clock.ts";
import { kindOrders, kinds } from "./event-kinds.ts";
import { HostDisk } from "./host-disk.ts";
import type { HostOptions, HostWorld, SimMember } from "./host-world.ts";
import type { PasswordResult } from "./passwords.ts";
import { combine32 } from "./random.ts";
import type { ScheduledEvent } from "./schedule.ts";

/** A crash that waits for its place between two outputs. */
interface ArmedCrash {
  readonly afterOutputs: number;
  readonly powerLoss: boolean;
}

/** Events a paused machine keeps; beyond it they are lost, as from a full socket buffer. */
const heldEventsMax = 100_000;
const crashDeadlineUs = 200_000;
/** In one seed of so many a machine steps what came within a moment together, as real processes do. */
const gatheringSeedEvery = 4;
const gatherUsMax = 3_000;
/** Separates this draw from others that the seed decides. */
const gatherSalt = 0x6a7e;

export class MemberHost {
  readonly slot: number;
  readonly name: string;
  readonly memberId: MemberId;
  readonly clock: SimClock;
  /** Counts processes, from 1; 0 before the first start. */
  life = 0;
  member: SimMember | undefined;
  paused = false;
  /** Whether it belongs to the cluster: not yet, now, or no more. */
  #belongs: "later" | "now" | "nevermore";
  /** Ids of the present life's requests and streams. */
  lastRequestId = 0;
  lastStreamId = 0;
  readonly #options: HostOptions;
  readonly #world: HostWorld;
  readonly #disk: HostDisk;
  #crash: ArmedCrash | undefined;
  /** What came for the member while it was paused, in order. */
  #held: ScheduledEvent[] = [];
  #tickHeld = false;
  /** How long inputs wait to be stepped together; undefined: each is a step of its own, at once. */
  readonly #gatherUs: number | undefined;
  #gathered: Input[] = [];
  /** Outputs of a step are being carried out. */
  #isCarryingOut = false;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#world = options.world;
    this.slot = options.slot;
    this.name = options.name;
    this.memberId = options.memberId;
    const isFounder = options.members.some((record) => record.memberId === options.memberId);
    this.#belongs = isFounder ? "now" : "later";
    const gathering = combine32(options.seed, gatherSalt);
    this.#gatherUs =
      gathering % gatheringSeedEvery === 0 ? combine32(gathering, options.slot) % gatherUsMax : undefined;
    this.clock = new SimClock({ timeUs: 0, offsetMs: options.clockOffsetMs, driftPpm: options.clockDriftPpm });
    this.#disk = new HostDisk({
      slot: options.slot,
      seed: options.seed,
      syncMs: options.syncMs,
      schedule: (afterUs, kind, number, payload) => this.#schedule(afterUs, kind, number, payload),
    });
  }

  get isUp(): boolean {
    return this.member !== undefined;
  }

  get nowMs(): number {
    return this.clock.nowMs(this.#world.timeUs);
  }

  get hasJoined(): boolean {
    return this.#belongs !== "later";
  }

  /** Nothing is owed to clients by members that do not belong, or still learn. */
  get servesClients(): boolean {
    return this.#belongs === "now" && this.member?.raft.configuration.learners.includes(this.memberId) !== true;
  }

  // ---- lives ---------------------------------------------------------------------------------------------------

  /** It was added to the cluster. */
  join(): void {
    if (this.#belongs !== "later") return;
    this.#belongs = "now";
    this.start();
  }

  /** It was removed from the cluster; its process finds that out by itself. */
  leave(): void {
    this.#belongs = "nevermore";
  }

  /** Nothing happens on a machine whose member was not added yet. */
  start(): void {
    if (this.member !== undefined || this.#belongs === "later") return;
    const options = this.#options;
    this.life += 1;
    this.lastRequestId = 0;
    this.lastStreamId = 0;
    this.clock.beginProcess(this.#world.timeUs);
    this.#disk.incarnation = nextIncarnation({
      previous: this.#disk.incarnation,
      wallClockMs: this.clock.wallMs(this.#world.timeUs),
      random: options.random.fork(`incarnation/${this.life}`),
    });
    const started = this.#guard(() =>
      options.startMember({
        identity: this.#identity(),
        config: options.config,
        segments: this.#disk.open(),
        backend: this.#disk.backend,
        members: options.members,
        random: options.random.fork(`life/${this.life}`),
        incarnation: this.#disk.incarnation,
        nowMs: this.nowMs,
      }),
    );
    if (started === undefined) return;
    if (!started.ok) {
      // Whoever was removed is needed no more; a damaged log has nobody left to repair it.
      if (this.#belongs !== "nevermore") this.#world.memberFailed(this, "member-refused-to-start", started.reason);
      return;
    }
    this.member = started.member;
    this.#world.lifeStarted(this);
    const phaseUs =
      combine32(combine32(options.seed, this.slot), this.life) % this.clock.durationUs(options.config.tickMs);
    this.#world.schedule.add(
      this.#world.timeUs + 1 + phaseUs,
      kindOrders[kinds.tick] ?? 0,
      kinds.tick,
      this.slot,
      this.life,
      0,
      undefined,
    );
    this.#world.stepped(this);
    this.#carryOut(started.outputs);
  }

  /** Ends the process at once. */
  kill(how: { readonly powerLoss: boolean; readonly failed?: "log" | "backend" }, detail: string): void {
    if (this.member === undefined) return;
    this.member = undefined;
    this.paused = false;
    this.#crash = undefined;
    const held = this.#held;
    this.#held = [];
    this.#tickHeld = false;
    this.#gathered = [];
    const random = () => this.#options.random.fork(`power/${this.life}`);
    const lost = this.#disk.processEnded({ powerLoss: how.powerLoss, failed: how.failed, random });
    this.#world.lifeEnded(this, `${detail}${lost}`);
    // What clients sent while the process was paused finds nobody now, and they are told: a watcher whose stream was
    // never opened would wait for ever.
    for (const { kind, slot, life, number, payload } of held) {
      if (kind !== kinds.arrival) continue;
      this.#world.schedule.add(this.#world.timeUs, kindOrders[kind] ?? 0, kind, slot, life, number, payload);
    }
  }

  /** Ends the process after so many outputs of its next step that has any, or a little later if none comes. */
  killWithinStep(crash: ArmedCrash): void {
    if (this.member === undefined || this.paused) {
      this.kill(crash, "killed");
      return;
    }
    this.#crash = crash;
    this.#schedule(crashDeadlineUs, kinds.crashDeadline, 0, undefined);
  }

  /** Carries an armed crash out now, before something else happens to the member. */
  settleCrash(): void {
    if (this.#crash !== undefined) this.kill(this.#crash, "killed");
  }

  pause(): void {
    this.paused = true;
  }

  /** Goes on with what came meanwhile; of the missed ticks one is left, as timers do. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const held = this.#held;
    this.#held = [];
    for (const event of held) {
      const { kind, slot, life, number, payload } = event;
      this.#world.schedule.add(this.#world.timeUs, kindOrders[kind] ?? 0, kind, slot, life, number, payload);
    }
    if (this.#tickHeld) this.#schedule(0, kinds.tick, 0, undefined);
    this.#tickHeld = false;
  }

  /** Keeps an event for later while the member is paused; false: it is not paused. */
  hold(event: ScheduledEvent): boolean {
    if (!this.paused) return false;
    if (event.kind === kinds.tick) this.#tickHeld = true;
    else if (this.#held.length < heldEventsMax) this.#held.push(event);
    return true;
  }

  /** Ends the process and flips a bit of its log. @returns where; undefined: the log is empty */
  damageLog(): string | undefined {
    this.kill({ powerLoss: false }, "killed to damage its log");
    return this.#disk.damageLog(this.#options.random.fork(`damage/${this.life}`));
  }

  /** Its faults; copies, old content and none at all only while the member is down. */
  get disk(): HostDisk {
    return this.#disk;
  }

  // ---- inputs --------------------------------------------------------------------------------------------------

  /** @throws InvariantViolation when outputs of its last step are still to be carried out */
  step(input: Input): void {
    const { member } = this;
    if (member === undefined) return;
    assert(!this.#isCarryingOut, "no input comes between the outputs of a step");
    if (this.#gatherUs === undefined) {
      this.#advance(() => member.step(input));
      return;
    }
    this.#gathered.push(input);
    if (this.#gathered.length === 1) this.#schedule(this.#gatherUs, kinds.gathered, 0, undefined);
  }

  #stepGathered(): void {
    const inputs = this.#gathered;
    this.#gathered = [];
    const { member } = this;
    if (member !== undefined && inputs.length > 0) this.#advance(() => member.stepAll(inputs));
  }

  #advance(step: () => readonly Output[]): void {
    let outputs: readonly Output[];
    try {
      outputs = step();
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#world.stepped(this);
    if (outputs.length > 0) this.#carryOut(outputs);
    this.#disk.stepped();
    const isFull = this.#disk.takeNotice();
    if (isFull !== undefined) this.step({ type: "diskSpace", nowMs: this.nowMs, isFull });
  }

  /** One event of this machine's present life. */
  handle(event: ScheduledEvent): void {
    const { kind, number } = event;
    switch (kind) {
      case kinds.tick:
        if (!this.hold(event)) this.#tick();
        return;
      case kinds.logSynced:
        this.#logSynced(number, writeIdOf(Number(event.payload)));
        return;
      case kinds.backendSynced:
        this.#backendSynced(number, event.payload === undefined ? undefined : writeIdOf(Number(event.payload)));
        return;
      case kinds.writeDone:
      case kinds.backendDone:
        if (!this.hold(event)) this.#hear(kind, writeIdOf(number));
        return;
      case kinds.passwordDone:
        if (!this.hold(event)) this.step({ ...(event.payload as PasswordResult), nowMs: this.nowMs });
        return;
      case kinds.crashDeadline:
        this.settleCrash();
        return;
      case kinds.gathered:
        if (!this.hold(event)) this.#stepGathered();
        return;
    }
  }

  #tick(): void {
    this.#schedule(this.clock.durationUs(this.#options.config.tickMs), kinds.tick, 0, undefined);
    this.#disk.ticked();
    this.step({ type: "tick", nowMs: this.nowMs });
  }

  /** The disk did its part, whether the member runs or is paused. */
  #logSynced(operations: number, writeId: WriteId): void {
    if (this.#disk.logSynced(operations)) this.#hear(kinds.writeDone, writeId);
    else this.#syncFailed("log");
  }

  /** A real member ends here, too: a second sync would succeed without the bytes the first one lost. */
  #syncFailed(failed: "log" | "backend"): void {
    this.kill({ powerLoss: false, failed }, `stopped: a sync of its ${failed} failed`);
  }

  #backendSynced(commit: number, writeId: WriteId | undefined): void {
    if (!this.#disk.backendSynced(commit, writeId !== undefined)) this.#syncFailed("backend");
    else if (writeId !== undefined) this.#hear(kinds.backendDone, writeId);
  }

  /** The member hears of the end of its write now, or when it goes on. */
  #hear(kind: number, writeId: WriteId): void {
    if (this.paused) this.#schedule(0, kind, writeId, undefined);
    else if (kind === kinds.writeDone) this.step({ type: "writeDone", nowMs: this.nowMs, writeId });
    else this.step({ type: "backendSynced", nowMs: this.nowMs, writeId });
  }

  // ---- outputs -------------------------------------------------------------------------------------------------

  #carryOut(outputs: readonly Output[]): void {
    const crash = this.#crash;
    const kept = Math.min(crash?.afterOutputs ?? outputs.length, outputs.length);
    const { life } = this;
    this.#isCarryingOut = true;
    try {
      for (let position = 0; position < kept && this.member !== undefined && this.life === life; position++) {
        this.#carryOutOne(outputs[position] as Output);
      }
    } finally {
      this.#isCarryingOut = false;
    }
    if (crash === undefined || outputs.length === 0 || this.member === undefined || this.life !== life) return;
    const torn = outputs[kept];
    if (torn?.type === "writeLog") this.#write(torn.operations.slice(0, torn.operations.length >> 1));
    this.kill(crash, `killed after ${kept} of ${outputs.length} outputs of a step`);
  }

  #carryOutOne(output: Output): void {
    const world = this.#world;
    switch (output.type) {
      case "sendMessage":
        world.send(this.slot, output.message);
        return;
      case "writeLog":
        if (this.#write(output.operations) && output.sync) this.#disk.sync(output.writeId);
        return;
      case "syncBackend":
        this.#disk.syncBackend(output.writeId);
        return;
      case "reply":
        world.replied(this, output.requestId, output.reply);
        return;
      case "streamReply":
        world.streamReplied(this, output.streamId, output.reply);
        return;
      case "streamEnded":
        world.streamEnded(this, output.streamId, output.refusal);
        return;
      case "hashPassword":
      case "checkPassword":
        world.passwordGiven(this, output);
        return;
      case "event":
        this.#note(output.event);
        return;
      case "outlived":
        this.kill({ powerLoss: false }, "stopped: others have met a later life of it");
        this.#disk.incarnation = output.incarnation;
        this.start();
        return;
      case "stop":
        if (output.cause === "removed") world.removedItself(this);
        else world.memberFailed(this, "member-stopped", output.reason);
        this.kill({ powerLoss: false }, `stopped: ${output.reason}`);
        return;
    }
  }

  #note(event: MemberEvent): void {
    if (event.type === "roleChanged") this.#world.roleChanged(this, event.role, event.term);
    else if (event.type === "autoCompaction") this.#world.compactedByItself(this, event.revision, event.retention);
    else if (event.type === "impossibleWord") this.#world.memberFailed(this, "impossible-word", event.what);
    else if (event.type === "alarmsChanged") this.#world.alarmsChanged(this, event.alarms);
  }

  /** False: the member lost count of its own disk, or has no room for its log, and is dead. */
  #write(operations: readonly LogOperation[]): boolean {
    try {
      if (this.#disk.write(operations)) return true;
      this.kill({ powerLoss: false }, "stopped: no room left for its log");
      return false;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #schedule(afterUs: number, kind: number, number: number, payload: unknown): void {
    const { schedule, timeUs } = this.#world;
    schedule.add(timeUs + afterUs, kindOrders[kind] ?? 0, kind, this.slot, this.life, number, payload);
  }

  #identity(): MemberStart["identity"] {
    const { name, memberId, clusterId } = this.#options;
    return { name, memberId, clusterId, clientUrls: [`http://${name}:2379`] };
  }

  #guard<Result>(body: () => Result): Result | undefined {
    try {
      return body();
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    const reason = error instanceof Error ? `${error.name}: ${error.message}${placeOf(error)}` : String(error);
    this.#world.memberFailed(this, "member-stopped", reason);
    this.kill({ powerLoss: false }, `stopped: ${reason}`);
  }
}

/** The first two frames of a stack that are not the assertion itself, without the folders they are in. */
function placeOf(error: Error): string {
  const frames = (error.stack ?? "")
    .split("\n")
    .filter((line) => line.startsWith("    at ") && !line.includes("assert"));
  const names = frames
    .slice(0, 2)
    .map((line) => line.trim().replace(/\(?(file:\/\/)?\/[^ ]*\/([^/]+?:\d+):\d+\)?/, "$2"));
  return names.length === 0 ? "" : ` [${names.join(", ")}]`;
}
