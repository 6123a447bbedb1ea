/*
 * The members of one drill, and one client each. A cluster that was there already has clients only. Opening it waits until
 * every member serves; closing it leaves neither process nor file behind.
 */
import { setTimeout as pause } from "node:timers/promises";
import { compareIds, type MemberId, type Random } from "../core/index.ts";
import type { PlannedMember } from "../scenarios/plan.ts";
import { AlarmWatch } from "./alarm-watch.ts";
import type { Ability, Capabilities, NetworkKind } from "./capabilities.ts";
import { EtcdClient } from "./client/client.ts";
import { Transport } from "./client/transport.ts";
import { MemberProcesses } from "./member-processes.ts";
import type { ProcessEnd } from "./supervisor.ts";
import type { Target } from "./target.ts";

/** What one member says of itself. */
export interface MemberStatus {
  readonly memberId: MemberId;
  readonly leaderId: MemberId | undefined;
  readonly term: number;
  readonly revision: number;
}

export interface ClusterOptions {
  readonly planned: readonly PlannedMember[];
  readonly target: Target;
  readonly random: Random;
  readonly logFileOf: (member: string) => string;
  readonly onEnd: (end: ProcessEnd) => void;
  readonly signal: AbortSignal;
  /** Absent: links go through a proxy, and only what needs no probing can be broken. */
  readonly machine?: Machine;
}

/** Where a drill runs: what can be broken there, and what of it the plan will break. */
export interface Machine {
  readonly network: NetworkKind;
  readonly capabilities: Capabilities;
  readonly needs: ReadonlySet<Ability>;
}

/** A drill cannot begin: the cluster did not come up. */
export class ClusterProblem extends Error {
  override readonly name = "ClusterProblem";
}

/** On a busy machine a program may wait a minute for its turn. */
const readyWithinMs = 120_000;
/** A member that is to lead has so long to answer. */
const beginsWithinMs = 5_000;

export class Cluster {
  readonly names: readonly string[];
  readonly clients: readonly EtcdClient[];
  readonly #alarms: AlarmWatch;
  /** undefined: the processes are not ours. */
  readonly processes: MemberProcesses | undefined;

  private constructor(
    names: readonly string[],
    clients: readonly EtcdClient[],
    processes: MemberProcesses | undefined,
  ) {
    this.names = names;
    this.clients = clients;
    this.#alarms = new AlarmWatch(clients);
    this.processes = processes;
  }

  /** @throws ClusterProblem when a member does not serve in time; nothing is left running then */
  static async open(options: ClusterOptions): Promise<Cluster> {
    const { target } = options;
    if (target.kind === "endpoints") {
      const clients = target.endpoints.map((endpoint) => new EtcdClient({ endpoint }));
      const cluster = new Cluster(target.endpoints, clients, undefined);
      await cluster.#ready(options);
      return cluster;
    }
    const processes = await MemberProcesses.open({ ...options, target });
    const { certificates } = processes;
    const transport = new Transport({
      ...(certificates === undefined
        ? {}
        : { cacert: certificates.caFile, cert: certificates.certFile, key: certificates.keyFile }),
      insecureTransport: true,
      insecureSkipTlsVerify: false,
    });
    const clients = processes.addresses.map(({ clientUrl }) => {
      const { target: endpoint, credentials } = transport.reach(clientUrl);
      return new EtcdClient({ endpoint, credentials });
    });
    const cluster = new Cluster(processes.names, clients, processes);
    try {
      await Promise.all(cluster.founders.map((name) => processes.start(name)));
      await cluster.#ready(options);
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** What its members are. */
  get target(): Target["kind"] {
    return this.processes?.target ?? "endpoints";
  }

  /** Those the cluster begins with, in plan order. */
  get founders(): readonly string[] {
    return this.processes?.founders ?? this.names;
  }

  /** Whether clients may ask the member at that position: it belongs, and does not merely learn. */
  servesClients(member: number): boolean {
    const name = this.names[member];
    if (this.processes === undefined || name === undefined) return true;
    return this.processes.belongingOf(name) === "now" && !this.processes.isLearner(name);
  }

  /** undefined when the member does not answer in time. */
  async status(member: number, timeoutMs: number): Promise<MemberStatus | undefined> {
    const result = await this.clients[member]?.call({ type: "status" }, { timeoutMs }).result;
    if (result?.type !== "reply" || result.reply.answer.type !== "status") return undefined;
    const { header, answer } = result.reply;
    return {
      memberId: header.memberId,
      leaderId: answer.leaderId,
      term: answer.raftTerm,
      revision: header.revision,
    };
  }

  /** The member that the member with the highest term takes for the leader, asked now; undefined: nobody knows one. */
  async leader(): Promise<string | undefined> {
    const all = await Promise.all(this.names.map((_, member) => this.status(member, 400)));
    const best = all
      .filter((status) => status !== undefined && status.leaderId !== undefined)
      .sort((a, b) => (b?.term ?? 0) - (a?.term ?? 0))[0];
    const position = all.findIndex((status) => status !== undefined && status.memberId === best?.leaderId);
    return this.names[position];
  }

  /** Asks the leader to hand over to that member. @returns why it did not; undefined when the other one leads */
  async handOver(to: string): Promise<string | undefined> {
    // A member that was promoted a moment ago may not have begun to serve clients.
    const deadlineMs = performance.now() + beginsWithinMs;
    let target = await this.status(this.names.indexOf(to), 1_000);
    while (target === undefined && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      target = await this.status(this.names.indexOf(to), 1_000);
    }
    if (target === undefined) return `${to} does not answer`;
    const leader = this.clients[this.names.indexOf((await this.leader()) ?? "")];
    if (leader === undefined) return "no member knows a leader now";
    const request = { type: "moveLeader", targetId: target.memberId } as const;
    const result = await leader.call(request, { timeoutMs: 5_000 }).result;
    if (result.type === "reply") return undefined;
    return result.type === "status" ? result.text : "the leader does not answer";
  }

  /** Takes NOSPACE alarms away for some seconds. */
  disarm(): void {
    this.#alarms.begin();
  }

  async close(): Promise<void> {
    await this.#alarms.close();
    for (const client of this.clients) client.close();
    await this.processes?.close();
  }

  async #ready({ signal, logFileOf }: ClusterOptions): Promise<void> {
    const deadlineMs = performance.now() + readyWithinMs;
    for (;;) {
      const all = await Promise.all(this.founders.map((name) => this.status(this.names.indexOf(name), 1_000)));
      if (signal.aborted) throw new ClusterProblem("interrupted before the cluster was ready");
      const leaders = [...new Set(all.map((status) => status?.leaderId))].sort((a, b) => compareIds(a ?? 0n, b ?? 0n));
      if (leaders.length === 1 && leaders[0] !== undefined) return;
      const dead = this.founders.find((name) => this.processes?.stateOf(name) === "down");
      if (dead !== undefined)
        throw new ClusterProblem(
          `member ${dead} ended while the cluster started (${this.processes?.lastEnd(dead)}); see ${logFileOf(dead)}`,
        );
      if (performance.now() > deadlineMs) {
        const silent = this.founders.filter((_, member) => all[member]?.leaderId === undefined);
        throw new ClusterProblem(
          `no leader that all members know within ${readyWithinMs} ms; without one: ${silent.join(", ")}`,
        );
      }
      await pause(50);
    }
  }
}
