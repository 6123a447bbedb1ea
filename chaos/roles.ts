/*
 * Who leads, as far as it can be seen from outside: asks every member for its status a few times a second and records
 * each change of role or term. Down and paused are known from the processes.
 */
import type { RoleEvent } from "../scenarios/history.ts";
import { Observer } from "./observer.ts";
import type { ProcessState } from "./supervisor.ts";

const askEveryMs = 100;
const askTimeoutMs = 300;

export class RoleObserver extends Observer {
  readonly #last = new Map<string, { role: RoleEvent["role"]; term: number }>();

  begin(): void {
    for (const [position, name] of this.observed.cluster.names.entries()) {
      this.repeat(askEveryMs, () => this.#ask(position, name));
    }
  }

  /** What a signal or an ended process made of a member. */
  note(name: string, role: "down" | "paused"): void {
    this.#become(name, role, this.#last.get(name)?.term ?? 0);
  }

  async #ask(position: number, name: string): Promise<void> {
    const { cluster } = this.observed;
    const stateNow = (): ProcessState => cluster.processes?.stateOf(name) ?? "running";
    const state = stateNow();
    if (state !== "running") return this.note(name, state);
    const status = await cluster.status(position, askTimeoutMs);
    if (!this.isOpen || status === undefined || stateNow() !== "running") return;
    this.#become(name, status.leaderId === status.memberId ? "leader" : "follower", status.term);
  }

  #become(name: string, role: RoleEvent["role"], term: number): void {
    const last = this.#last.get(name);
    if (last?.role === role && last.term === term) return;
    this.#last.set(name, { role, term });
    this.observed.record({ type: "role", atMs: this.observed.nowMs(), member: name, role, term });
  }
}
