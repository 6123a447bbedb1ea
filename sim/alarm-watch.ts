/*
 * The operator's eye on alarms: for some seconds after somebody made room, it asks one member after the other for NOSPACE
 * alarms, defragments the member whose alarm it is, and takes the alarm away. One may still be on its way when the first
 * look finds none.
 */
import { type AlarmRecord, type MemberId, memberIdOf, type Reply, type Request, requestIdOf } from "../core/index.ts";
import type { MemberHost } from "./member-host.ts";

interface AlarmWorld {
  readonly timeUs: number;
  readonly hosts: readonly MemberHost[];
}

const watchUs = 10_000_000;
/** Questions whose answer is awaited; older ones are forgotten, as their answers may be lost with a life. */
const askedMax = 100;

export class AlarmWatch {
  readonly #world: AlarmWorld;
  #untilUs = -1;
  #looks = 0;
  /** Requests of this watch, by host, life and number. */
  #asked: string[] = [];
  /** Alarms that an answer named: they are seen to at the next look. Bounded by the answers between two looks. */
  #found: { readonly host: MemberHost; readonly memberId: MemberId; readonly alarm: AlarmRecord["alarm"] }[] = [];

  constructor(world: AlarmWorld) {
    this.#world = world;
  }

  begin(): void {
    this.#untilUs = this.#world.timeUs + watchUs;
  }

  wake(): void {
    for (const { host, memberId, alarm } of this.#found.splice(0)) {
      this.#world.hosts.find((other) => other.memberId === memberId)?.disk.backend.defragment();
      // The answer to a removal names what was removed: asking for it again finds nothing, and ends there.
      this.#ask(host, { type: "alarm", action: "deactivate", memberId, alarm });
    }
    if (this.#world.timeUs > this.#untilUs) return;
    const able = this.#world.hosts.filter((host) => host.isUp && !host.paused);
    const host = able[this.#looks % Math.max(1, able.length)];
    this.#looks += 1;
    if (host !== undefined) this.#ask(host, { type: "alarm", action: "get", memberId: nobody, alarm: "noSpace" });
  }

  /** True when that was the answer to a question of this watch. */
  replied(host: MemberHost, requestId: number, reply: Reply): boolean {
    const position = this.#asked.indexOf(nameOf(host, requestId));
    if (position < 0) return false;
    this.#asked.splice(position, 1);
    if (!reply.ok || reply.answer.type !== "alarm") return true;
    // Not now: the member is in the middle of a step, and has outputs left.
    for (const { memberId, alarm } of reply.answer.alarms) this.#found.push({ host, memberId, alarm });
    return true;
  }

  #ask(host: MemberHost, request: Request): void {
    if (!host.isUp || host.paused) return;
    host.lastRequestId += 1;
    this.#asked.push(nameOf(host, host.lastRequestId));
    if (this.#asked.length > askedMax) this.#asked.shift();
    const requestId = requestIdOf(host.lastRequestId);
    const call = { requestId, request, requireLeader: false, credential: { type: "member" } } as const;
    host.step({ type: "clientRequest", nowMs: host.nowMs, ...call });
  }
}

const nobody: MemberId = memberIdOf(0n);
const nameOf = (host: MemberHost, requestId: number): string => `${host.slot}/${host.life}/${requestId}`;
