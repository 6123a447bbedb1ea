/*
 * Processes, disks and links of members that the drill started itself: addresses, data directories, copies of them, and
 * who belongs to the cluster by now. Closing it leaves neither process nor file behind.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "../core/index.ts";
import { backendsOf, flipStoredValue } from "./backend-file.ts";
import { whyNot } from "./capabilities.ts";
import type { ClusterOptions } from "./cluster.ts";
import { type DrillCertificates, makeCertificates } from "./drill-certificates.ts";
import type { Command, Links } from "./link/links.ts";
import { NamespaceLinks } from "./link/namespace-links.ts";
import { ProxyLinks } from "./link/proxy-links.ts";
import { flipBitInLog } from "./log-damage.ts";
import { readDurableRecord } from "./member/durable-record.ts";
import { durableRecordOf, type FaultPoint, faultPointsVariable, setFaultPoints } from "./member/fault-points.ts";
import { losePower } from "./power-loss.ts";
import { SmallDisks } from "./small-disk.ts";
import { type ProcessEnd, type ProcessState, Supervisor } from "./supervisor.ts";
import { commandOf, type MemberAddresses, type Target } from "./target.ts";
import { programNamed } from "./tools.ts";
import { WallClocks } from "./wall-clock.ts";

/** With which a member of ours ends when its disk fails. */
const diskExitCode = 74;

type OwnClusterOptions = ClusterOptions & { readonly target: Exclude<Target, { kind: "endpoints" }> };

/** Whether a member belongs to the cluster: a process that may not yet, or never again, be started is no fault. */
export type Belonging = "later" | "now" | "nevermore";

/** How long syncs are held back before a machine loses its power: so long was the last one under way at most. */
const lastSyncMsMax = 60;

/** A member asks its peers for a second before it begins a log; how long its process takes is the machine's affair. */
const beginsWithinMs = 60_000;

interface Parts {
  readonly root: string;
  readonly addresses: readonly MemberAddresses[];
  readonly links: Links;
  readonly disks: SmallDisks | undefined;
  readonly clocks: WallClocks;
  readonly supervisor: Supervisor;
  readonly certificates: DrillCertificates | undefined;
}

/** Processes, disks and links of members that the drill started itself. */
export class MemberProcesses {
  readonly names: readonly string[];
  readonly founders: readonly string[];
  readonly addresses: readonly MemberAddresses[];
  readonly links: Links;
  readonly #options: OwnClusterOptions;
  readonly #supervisor: Supervisor;
  readonly #root: string;
  readonly #disks: SmallDisks | undefined;
  readonly #clocks: WallClocks;
  /** What members and their clients show each other; undefined: plain text. */
  readonly certificates: DrillCertificates | undefined;
  /** What is set for each member; kept over its lives. */
  readonly #points = new Map<string, Map<FaultPoint, number | undefined>>();
  /** Members whose disk was made to fail in this life of theirs. */
  readonly #failingDisks = new Set<string>();
  readonly #wiped = new Set<string>();
  /** Faults so far that drew a place in a file. */
  #draws = 0;
  readonly #belonging = new Map<string, Belonging>();
  readonly #learners = new Set<string>();
  /** Of members that joined: whom they were told of when they first started. */
  readonly #joinedAmong = new Map<string, readonly string[]>();
  /** Copies of disks by label, and whose they are. */
  readonly #copies = new Map<string, { readonly owner: string; readonly path: string }>();

  private constructor(options: OwnClusterOptions, parts: Parts) {
    this.#options = options;
    this.#root = parts.root;
    this.certificates = parts.certificates;
    this.#supervisor = parts.supervisor;
    this.#disks = parts.disks;
    this.#clocks = parts.clocks;
    this.addresses = parts.addresses;
    this.links = parts.links;
    this.names = parts.addresses.map(({ name }) => name);
    for (const { name, joins } of options.planned) this.#belonging.set(name, joins === true ? "later" : "now");
    this.founders = this.names.filter((name) => this.belongingOf(name) === "now");
  }

  /** Makes places, disks and certificates; starts nothing. @throws ToolProblem when this machine does not let us */
  static async open(options: OwnClusterOptions): Promise<MemberProcesses> {
    const root = mkdtempSync(join(tmpdir(), "faultline-drill-"));
    const supervisor = new Supervisor({ onEnd: options.onEnd });
    const links = linksOf(options, { root, supervisor });
    const disks = hasSmallDisks(options) ? new SmallDisks(root) : undefined;
    try {
      const names = options.planned.map(({ name }) => name);
      const places = await links.open(names);
      const hosts = places.flatMap(({ client, peerListen }) => [client, peerListen].map(hostOf));
      const certificates = options.target.tls === true ? await makeCertificates(root, [...new Set(hosts)]) : undefined;
      const scheme = certificates === undefined ? "http" : "https";
      const addresses: MemberAddresses[] = [];
      for (const [position, { client, peerListen, peer }] of places.entries()) {
        const name = names[position] ?? "";
        addresses.push({
          name,
          dataDir: disks === undefined ? join(root, name) : await disks.mount(name),
          clientUrl: `${scheme}://${client}`,
          peerListenUrl: `${scheme}://${peerListen}`,
          peerUrl: `${scheme}://${peer}`,
        });
      }
      const clocks = new WallClocks(root);
      if (movesClocks(options)) for (const { name, clockOffsetMs } of options.planned) clocks.jump(name, clockOffsetMs);
      return new MemberProcesses(options, { root, addresses, links, disks, clocks, supervisor, certificates });
    } catch (error) {
      await supervisor.close();
      await links.close();
      await disks?.close();
      rmSync(root, { recursive: true, force: true });
      throw error;
    }
  }

  stateOf(name: string): ProcessState {
    return this.#supervisor.stateOf(name);
  }

  /** How the member's last process ended: "exit code 1", "SIGKILL". */
  lastEnd(name: string): string {
    return this.#supervisor.lastEndOf(name)?.how ?? "it was never started";
  }

  get target(): "faultline" | "etcd" {
    return this.#options.target.kind;
  }

  belongingOf(name: string): Belonging {
    return this.#belonging.get(name) ?? "nevermore";
  }

  isLearner(name: string): boolean {
    return this.#learners.has(name);
  }

  /** Where others reach that member: the hop in front of it. */
  peerUrlOf(name: string): string {
    return this.#addressOf(name).peerUrl;
  }

  /** It was added to the cluster of those members, itself among them: its process starts. */
  async join(name: string, how: { readonly among: readonly string[]; readonly asLearner: boolean }): Promise<void> {
    this.#belonging.set(name, "now");
    this.#joinedAmong.set(name, how.among);
    this.#wiped.delete(name);
    if (how.asLearner) this.#learners.add(name);
    await this.start(name);
  }

  promote(name: string): void {
    this.#learners.delete(name);
  }

  demote(name: string): void {
    this.#learners.add(name);
  }

  /** It was removed from the cluster: its process may end, and is never started again. */
  leave(name: string): void {
    this.#belonging.set(name, "nevermore");
    this.#supervisor.expectEnd(name);
  }

  /** Whether that end is what a member owes to a disk that was made to fail: it may not go on. */
  isOwedToDisk({ name, how }: ProcessEnd): boolean {
    return this.#failingDisks.has(name) && how === `exit code ${diskExitCode}`;
  }

  async start(name: string): Promise<void> {
    if (!this.#isFailing(name)) this.#failingDisks.delete(name);
    const member = this.#addressOf(name);
    const planned = this.#options.planned.find((candidate) => candidate.name === name);
    if (planned === undefined) throw new Error(`no planned member ${name}`);
    mkdirSync(member.dataDir, { recursive: true, mode: 0o700 });
    const among = this.#joinedAmong.get(name);
    const command = commandOf(this.#options.target, member, {
      members: (among ?? this.founders).map((other) => this.#addressOf(other)),
      state: among === undefined ? "new" : "existing",
      token: `drill-${this.#root.split("-").at(-1) ?? ""}`,
      planned,
      certificates: this.certificates,
    });
    const { PATH, HOME, TMPDIR } = process.env;
    await this.#supervisor.start({
      name,
      ...this.links.commandAt(name, endingWithUs(command)),
      env: {
        PATH,
        HOME,
        TMPDIR,
        [faultPointsVariable]: this.#pointsFileOf(name),
        ...this.#clocks.environmentOf(name),
      },
      logFile: this.#options.logFileOf(name),
      onGone: (pid) => this.#clocks.forget(pid),
    });
  }

  kill = (name: string): Promise<void> => this.#supervisor.kill(name);
  pause = (name: string): boolean => this.#supervisor.pause(name);
  resume = (name: string): boolean => this.#supervisor.resume(name);

  /**
   * Kills the members as if their machines had lost their power: at one moment, while syncs are under way, and what no
   * sync had covered is gone. Only for members of ours.
   *
   * @returns what that cost each of them, as a phrase
   */
  async losePower(names: readonly string[]): Promise<readonly string[]> {
    const running = names.filter((name) => this.stateOf(name) === "running");
    for (const name of running) this.setFaultPoint(name, "hold-sync");
    const random = this.#nextDraw();
    if (running.length > 0) await pause(random.below(lastSyncMsMax + 1));
    await Promise.all(names.map((name) => this.#supervisor.kill(name)));
    for (const name of running) this.clearFaultPoints(name, ["hold-sync"]);
    return names.map((name) => {
      const durable = readDurableRecord(durableRecordOf(this.#pointsFileOf(name)));
      if (durable === undefined) return `${name}: it had not yet opened its log`;
      return `${name}: ${losePower(this.#addressOf(name).dataDir, durable, random.fork(name))}`;
    });
  }

  /** Moves the member's wall clock. */
  jumpClock(name: string, byMs: number): void {
    this.#clocks.jump(name, byMs);
  }

  /** Keeps the member's disk as it is at this instant: a running process is stopped while its files are copied. */
  copyDisk(name: string, label: string): void {
    const { dataDir } = this.#addressOf(name);
    const copy = join(this.#root, "copies", `${this.#copies.size}`);
    const paused = this.#supervisor.stateOf(name) === "running" && this.#supervisor.pause(name);
    try {
      mkdirSync(copy, { recursive: true });
      if (existsSync(dataDir)) cpSync(dataDir, copy, { recursive: true });
    } finally {
      if (paused) this.#supervisor.resume(name);
    }
    this.#copies.set(label, { owner: name, path: copy });
  }

  /** Kills the owner of that copy and puts it in place of its disk. @returns the owner; undefined: no such copy */
  async restoreDisk(label: string): Promise<string | undefined> {
    const copy = this.#copies.get(label);
    if (copy === undefined) return undefined;
    await this.#supervisor.kill(copy.owner);
    const { dataDir } = this.#addressOf(copy.owner);
    rmSync(dataDir, { recursive: true, force: true });
    cpSync(copy.path, dataDir, { recursive: true });
    // A copy is on the disk for good.
    rmSync(durableRecordOf(this.#pointsFileOf(copy.owner)), { force: true });
    return copy.owner;
  }

  /** Kills the member and leaves nothing on its disk. */
  async wipeDisk(name: string): Promise<void> {
    await this.#supervisor.kill(name);
    rmSync(this.#addressOf(name).dataDir, { recursive: true, force: true });
    rmSync(durableRecordOf(this.#pointsFileOf(name)), { force: true });
    this.#wiped.add(name);
  }

  /** Whether its disk was wiped and it has not served since. */
  isWiped(name: string): boolean {
    return this.#wiped.has(name);
  }

  /** After the start of a wiped member: false when it ended by itself, as one should that its cluster knows. */
  async servesThoughWiped(name: string): Promise<boolean> {
    this.#supervisor.expectEnd(name);
    const log = join(this.#addressOf(name).dataDir, "member", "wal");
    for (const untilMs = performance.now() + beginsWithinMs; performance.now() < untilMs; await pause(50)) {
      if (this.stateOf(name) === "down") return false;
      if (existsSync(log) && readdirSync(log).length > 0) break;
    }
    // Nobody told it that it is known, before it had a log of its own: it finds its cluster by itself.
    this.#wiped.delete(name);
    this.#supervisor.expectEnd(name, false);
    return true;
  }

  /** Flips a bit of what the member stores, under its hands. @returns which; undefined: it stores nothing */
  flipValue(name: string): string | undefined {
    const backend = backendsOf(join(this.#addressOf(name).dataDir, "member", "snap")).at(-1);
    return backend === undefined ? undefined : flipStoredValue(backend, this.#nextDraw());
  }

  /** Sets a fault point of the member, beside those that are set. Only members of ours look at them. */
  setFaultPoint(name: string, point: FaultPoint, value?: number): void {
    const points = this.#pointsOf(name);
    points.set(point, value);
    if (diskFailures.includes(point)) this.#failingDisks.add(name);
    setFaultPoints(this.#pointsFileOf(name), points);
    // It happens once: what is set later does not bring it back.
    points.delete("fail-sync-once");
  }

  clearFaultPoints(name: string, points: readonly FaultPoint[]): void {
    for (const point of points) this.#pointsOf(name).delete(point);
    setFaultPoints(this.#pointsFileOf(name), this.#pointsOf(name));
  }

  /** Takes all room from the member's disk. @returns in what way, as a phrase */
  async fillDisk(name: string): Promise<string> {
    this.#failingDisks.add(name);
    if (this.#disks === undefined) {
      this.setFaultPoint(name, "no-room");
      return "its disk says that it is full";
    }
    return `its disk is full: the last ${await this.#disks.fill(name)} bytes are taken`;
  }

  makeRoom(name: string): void {
    this.#disks?.mend(name);
    this.clearFaultPoints(name, ["no-room"]);
  }

  /** The member's disk has room, and syncs as it should. */
  mendDisk(name: string): void {
    this.makeRoom(name);
    this.clearFaultPoints(name, ["fail-sync", "slow-sync"]);
  }

  #isFailing(name: string): boolean {
    return diskFailures.some((point) => this.#pointsOf(name).has(point)) || this.#disks?.isFull(name) === true;
  }

  #pointsOf(name: string): Map<FaultPoint, number | undefined> {
    const points = this.#points.get(name) ?? new Map<FaultPoint, number | undefined>();
    this.#points.set(name, points);
    return points;
  }

  #pointsFileOf(name: string): string {
    return join(this.#root, `${name}.faults`);
  }

  /**
   * Kills the member and flips one bit of what is written in its log. Only for members of ours. @returns where; undefined:
   * its log is empty
   */
  async damageLog(name: string): Promise<string | undefined> {
    await this.#supervisor.kill(name);
    return flipBitInLog(this.#addressOf(name).dataDir, this.#nextDraw());
  }

  async close(): Promise<void> {
    await this.#supervisor.close();
    await this.links.close();
    await this.#disks?.close();
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** Each fault that draws has a stream of its own. */
  #nextDraw(): Random {
    this.#draws += 1;
    return this.#options.random.fork(`fault/${this.#draws}`);
  }

  #addressOf(name: string): MemberAddresses {
    const member = this.addresses.find((candidate) => candidate.name === name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }
}

/** Points at which a member of ours ends by itself, as it must. */
const diskFailures: readonly FaultPoint[] = ["fail-sync", "fail-sync-once", "no-room"];

function linksOf(
  { machine, random }: OwnClusterOptions,
  { root, supervisor }: { readonly root: string; readonly supervisor: Supervisor },
): Links {
  const own = random.fork("links");
  if (machine?.network !== "netns") return new ProxyLinks({ pidOf: (name) => supervisor.pidOf(name), random: own });
  return new NamespaceLinks({ directory: join(root, "networks"), capabilities: machine.capabilities, random: own });
}

/** Only where mounting is the drill's own affair, and only when somebody's disk will be filled. */
const hasSmallDisks = ({ machine }: OwnClusterOptions): boolean =>
  machine?.network === "netns" && machine.needs.has("fullDisk") && whyNot(machine.capabilities.fullDisk) === undefined;

const movesClocks = ({ machine }: OwnClusterOptions): boolean =>
  machine?.needs.has("clockJump") === true && whyNot(machine.capabilities.clockJump) === undefined;

/** With setpriv a member ends with the drill even when that is killed: the kernel sees to it. */
function endingWithUs({ command, args }: Command): Command {
  const setpriv = programNamed("setpriv");
  if (setpriv === undefined) return { command, args };
  return { command: setpriv, args: ["--pdeathsig", "KILL", command, ...args] };
}

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));
