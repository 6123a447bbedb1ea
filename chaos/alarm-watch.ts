/*
 * The operator's eye on alarms in a drill: for some seconds after somebody made room, NOSPACE alarms are taken away. A
 * member notices only after a while that its disk has room, and raises its alarm again until then.
 */
import { setTimeout as pause } from "node:timers/promises";
import { memberIdOf } from "../core/index.ts";
import type { EtcdClient } from "./client/client.ts";

const watchMs = 5_000;
const everyMs = 300;

export class AlarmWatch {
  readonly #clients: readonly EtcdClient[];
  #untilMs = 0;
  #watching: Promise<void> | undefined;

  constructor(clients: readonly EtcdClient[]) {
    this.#clients = clients;
  }

  begin(): void {
    this.#untilMs = performance.now() + watchMs;
    this.#watching ??= this.#watch().finally(() => {
      this.#watching = undefined;
    });
  }

  /** Resolves when nothing is asked any more. */
  async close(): Promise<void> {
    this.#untilMs = 0;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const list = { type: "alarm", action: "get", memberId: memberIdOf(0n), alarm: "noSpace" } as const;
    while (performance.now() < this.#untilMs) {
      for (const client of this.#clients) {
        const listed = await client.call(list, { timeoutMs: 1_000 }).result;
        if (listed.type !== "reply" || listed.reply.answer.type !== "alarm") continue;
        for (const { memberId, alarm } of listed.reply.answer.alarms) {
          // One that failed comes up again at the next look.
          await client.call({ type: "alarm", action: "deactivate", memberId, alarm }, { timeoutMs: 1_000 }).result;
        }
        break;
      }
      await pause(everyMs);
    }
  }
}
