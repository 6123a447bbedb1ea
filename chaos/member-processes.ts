/*
 * Processes, disks and links of members that the drill started itself: addresses, data directories, copies of them, and
 * who belongs to the cluster by now. Closing it leaves neither process nor file behind.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClusterOptions } from "./cluster.ts";
import { type DrillCertificates, makeCertificates } from "./drill-certificates.ts";
import { LinkNetwork } from "./link/proxy.ts";
import { flipBitInLog } from "./log-damage.ts";
import { type FaultPoint, faultPointsVariable } from "./member/fault-points.ts";
import { type ProcessEnd, type ProcessState, Supervisor } from "./supervisor.ts";
import { commandOf, type MemberAddresses, type Target } from "./target.ts";

/** With which a member of ours ends when its disk fails. */
const diskExitCode = 74;

type OwnClusterOptions = ClusterOptions & { readonly target: Exclude<Target, { kind: "endpoints" }> };

/** Whether a member belongs to the cluster: a process that may not yet, or never again, be started is no fault. */
export type Belonging = "later" | "now" | "nevermore";

/** Processes, disks and links of members that the drill started itself. */
export class MemberProcesses {
  readonly names: readonly string[];
  readonly founders: readonly string[];
  readonly addresses: readonly MemberAddresses[];
  readonly links: LinkNetwork;
  readonly #options: OwnClusterOptions;
  readonly #supervisor: Supervisor;
  readonly #root: string;
  /** What members and their clients show each other; undefined: plain text. */
  readonly certificates: DrillCertificates | undefined;
  /** Members whose disk was made to fail in this life of theirs. */
  readonly #failingDisks = new Set<string>();
  /** Logs damaged so far. */
  #damages = 0;
  readonly #belonging = new Map<string, Belonging>();
  readonly #learners = new Set<string>();
  /** Of members that joined: whom they were told of when they first started. */
  readonly #joinedAmong = new Map<string, readonly string[]>();
  /** Copies of disks by label, and whose they are. */
  readonly #copies = new Map<string, { readonly owner: string; readonly path: string }>();

  private constructor(
    options: OwnClusterOptions,
    parts: {
      readonly root: string;
      readonly addresses: readonly MemberAddresses[];
      readonly links: LinkNetwork;
      readonly supervisor: Supervisor;
      readonly certificates: DrillCertificates | undefined;
    },
  ) {
    this.#options = options;
    this.#root = parts.root;
    this.certificates = parts.certificates;
    this.#supervisor = parts.supervisor;
    this.addresses = parts.addresses;
    this.links = parts.links;
    this.names = parts.addresses.map(({ name }) => name);
    for (const { name, joins } of options.planned) this.#belonging.set(name, joins === true ? "later" : "now");
    this.founders = this.names.filter((name) => this.belongingOf(name) === "now");
  }

  /** Opens the hops and finds ports; starts nothing. */
  static async open(options: OwnClusterOptions): Promise<MemberProcesses> {
    const supervisor = new Supervisor({ onEnd: options.onEnd });
    const names = options.planned.map(({ name }) => name);
    const links = new LinkNetwork({
      members: () => names.map((name) => ({ name, pid: supervisor.pidOf(name) })),
      random: options.random.fork("links"),
    });
    const root = mkdtempSync(join(tmpdir(), "faultline-drill-"));
    const certificates = options.target.tls === true ? await makeCertificates(root) : undefined;
    const scheme = certificates === undefined ? "http" : "https";
    const addresses: MemberAddresses[] = [];
    const ports = await freePorts(names.length * 2);
    for (const [position, name] of names.entries()) {
      const clientPort = ports[position * 2] ?? 0;
      const peerPort = ports[position * 2 + 1] ?? 0;
      addresses.push({
        name,
        dataDir: join(root, name),
        clientUrl: `${scheme}://127.0.0.1:${clientPort}`,
        peerListenUrl: `${scheme}://127.0.0.1:${peerPort}`,
        peerUrl: `${scheme}://127.0.0.1:${await links.addHop(name, peerPort)}`,
      });
    }
    return new MemberProcesses(options, { root, addresses, links, supervisor, certificates });
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
    if (!existsSync(this.#pointsOf(name))) this.#failingDisks.delete(name);
    const member = this.#addressOf(name);
    const planned = this.#options.planned.find((candidate) => candidate.name === name);
    if (planned === undefined) throw new Error(`no planned member ${name}`);
    mkdirSync(member.dataDir, { recursive: true, mode: 0o700 });
    const among = this.#joinedAmong.get(name);
    const { command, args } = commandOf(this.#options.target, member, {
      members: (among ?? this.founders).map((other) => this.#addressOf(other)),
      state: among === undefined ? "new" : "existing",
      token: `drill-${this.#root.split("-").at(-1) ?? ""}`,
      planned,
      certificates: this.certificates,
    });
    const { PATH, HOME, TMPDIR } = process.env;
    await this.#supervisor.start({
      name,
      command,
      args,
      env: { PATH, HOME, TMPDIR, [faultPointsVariable]: this.#pointsOf(name) },
      logFile: this.#options.logFileOf(name),
    });
  }

  kill = (name: string): Promise<void> => this.#supervisor.kill(name);
  pause = (name: string): boolean => this.#supervisor.pause(name);
  resume = (name: string): boolean => this.#supervisor.resume(name);

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
    return copy.owner;
  }

  /**
   * Makes the member's disk fail at that point, or nowhere any more. @returns why it cannot be made to; undefined: done
   */
  setFaultPoint(name: string, point: FaultPoint | undefined): string | undefined {
    if (point !== undefined) this.#failingDisks.add(name);
    if (this.#options.target.kind !== "faultline")
      return "only faultline's own member has points where its disk can fail";
    if (point === undefined) rmSync(this.#pointsOf(name), { force: true });
    else writeFileSync(this.#pointsOf(name), point);
    return undefined;
  }

  #pointsOf(name: string): string {
    return join(this.#root, `${name}.faults`);
  }

  /**
   * Kills the member and flips one bit of what is written in its log. @returns where; undefined: its log is not one of ours,
   * or is empty
   */
  async damageLog(name: string): Promise<string | undefined> {
    if (this.#options.target.kind !== "faultline") return undefined;
    await this.#supervisor.kill(name);
    this.#damages += 1;
    return flipBitInLog(this.#addressOf(name).dataDir, this.#options.random.fork(`damage/${this.#damages}`));
  }

  async close(): Promise<void> {
    await this.#supervisor.close();
    await this.links.close();
    rmSync(this.#root, { recursive: true, force: true });
  }

  #addressOf(name: string): MemberAddresses {
    const member = this.addresses.find((candidate) => candidate.name === name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }
}

/** Ports nobody listens on at this moment, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: "127.0.0.1", port: 0 }, resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
