/*
 * Who leads, as far as it can be seen from outside: asks every member for its status a few times a second and records
 * each change of role or term. Down and paused are known from the processes.
 */
import type { HistoryEvent, RoleEvent } from "../scenarios/history.ts";
import type { Cluster } from "./cluster.ts";

const askEveryMs = 100;
const askTimeoutMs = 300;

export class RoleObserver {
  readonly #cluster: Cluster;
  readonly #nowMs: () => number;
  readonly #record: (event: HistoryEvent) => void;
  readonly #last = new Map<string, { role: RoleEvent["role"]; term: number }>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #open = true;

  constructor(options: {
    readonly cluster: Cluster;
    readonly nowMs: () => number;
    readonly record: (event: HistoryEvent) => void;
  }) {
    this.#cluster = options.cluster;
    this.#nowMs = options.nowMs;
    this.#record = options.record;
  }

  begin(): void {
    for (const [position, name] of this.#cluster.names.entries()) void this.#ask(position, name);
  }

  close(): void {
    this.#open = false;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** What a signal or an ended process made of a member. */
  note(name: string, role: "down" | "paused"): void {
    this.#become(name, role, this.#last.get(name)?.term ?? 0);
  }

  async #ask(position: number, name: string): Promise<void> {
    const state = this.#cluster.processes?.stateOf(name) ?? "running";
    if (state === "running") {
      const status = await this.#cluster.status(position, askTimeoutMs);
      if (!this.#open) return;
      const stillRunning = (this.#cluster.processes?.stateOf(name) ?? "running") === "running";
      if (status !== undefined && stillRunning) {
        this.#become(name, status.leaderId === status.memberId ? "leader" : "follower", status.term);
      }
    } else this.note(name, state);
    if (!this.#open) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#ask(position, name);
    }, askEveryMs);
    this.#timers.add(timer);
  }

  #become(name: string, role: RoleEvent["role"], term: number): void {
    const last = this.#last.get(name);
    if (last?.role === role && last.term === term) return;
    this.#last.set(name, { role, term });
    this.#record({ type: "role", atMs: this.#nowMs(), member: name, role, term });
  }
}
