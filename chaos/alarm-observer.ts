/*
 * Which alarms stand, as far as it can be seen from outside: asks one member after the other a few times a second and
 * records each change, for the check of corruption alarms.
 */
import { type MemberId, memberIdOf } from "../core/index.ts";
import type { HistoryEvent } from "../scenarios/history.ts";
import type { Cluster } from "./cluster.ts";

interface StandingAlarm {
  readonly memberId: MemberId;
  readonly alarm: "none" | "noSpace" | "corrupt";
}

const askEveryMs = 200;
const answerMs = 500;

export class AlarmObserver {
  readonly #cluster: Cluster;
  readonly #nowMs: () => number;
  readonly #record: (event: HistoryEvent) => void;
  readonly #nameOf = new Map<MemberId, string>();
  #turn = 0;
  #seen = "[]";
  #timer: NodeJS.Timeout | undefined;
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
    void this.#ask();
  }

  close(): void {
    this.#open = false;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const { names, clients } = this.#cluster;
    const position = this.#turn % names.length;
    this.#turn += 1;
    const status = await this.#cluster.status(position, answerMs);
    if (!this.#open) return;
    if (status !== undefined) this.#nameOf.set(status.memberId, names[position] ?? "");
    const list = { type: "alarm", action: "get", memberId: memberIdOf(0n), alarm: "corrupt" } as const;
    const result = await clients[position]?.call(list, { timeoutMs: answerMs }).result;
    if (!this.#open) return;
    if (result?.type === "reply" && result.reply.answer.type === "alarm") {
      this.#note(names[position] ?? "", result.reply.answer.alarms);
    }
    this.#timer = setTimeout(() => void this.#ask(), askEveryMs);
  }

  /** One that has not heard of an alarm yet takes none back. Whose it is must be known: members say that one by one. */
  #note(member: string, standing: readonly StandingAlarm[]): void {
    const alarms = standing.flatMap(({ memberId, alarm }) => {
      const name = this.#nameOf.get(memberId);
      return name === undefined || alarm === "none" ? [] : [{ member: name, alarm }];
    });
    const seen = JSON.stringify(alarms);
    if (alarms.length < standing.length || alarms.length === 0 || seen === this.#seen) return;
    this.#seen = seen;
    this.#record({ type: "alarms", atMs: this.#nowMs(), member, alarms });
  }
}
