/*
 * Which alarms stand, as far as it can be seen from outside: asks one member after the other a few times a second and
 * records each change, for the check of corruption alarms.
 */
import { type MemberId, memberIdOf } from "../core/index.ts";
import { Observer } from "./observer.ts";

interface StandingAlarm {
  readonly memberId: MemberId;
  readonly alarm: "none" | "noSpace" | "corrupt";
}

const askEveryMs = 200;
const answerMs = 500;

export class AlarmObserver extends Observer {
  readonly #nameOf = new Map<MemberId, string>();
  #turn = 0;
  #seen = "[]";

  begin(): void {
    this.repeat(askEveryMs, () => this.#ask());
  }

  async #ask(): Promise<void> {
    const { names, clients } = this.observed.cluster;
    const position = this.#turn % names.length;
    this.#turn += 1;
    const status = await this.observed.cluster.status(position, answerMs);
    if (!this.isOpen) return;
    if (status !== undefined) this.#nameOf.set(status.memberId, names[position] ?? "");
    const list = { type: "alarm", action: "get", memberId: memberIdOf(0n), alarm: "corrupt" } as const;
    const result = await clients[position]?.call(list, { timeoutMs: answerMs }).result;
    if (!this.isOpen) return;
    if (result?.type === "reply" && result.reply.answer.type === "alarm") {
      this.#note(names[position] ?? "", result.reply.answer.alarms);
    }
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
    this.observed.record({ type: "alarms", atMs: this.observed.nowMs(), member, alarms });
  }
}
