/*
 * The seam between a simulated machine and the world around it: what a world does for a machine, and what a machine is
 * made of. A world of tests may put anything behind it that steps like a member.
 */
import type {
  AlarmRecord,
  ClusterId,
  Input,
  MemberConfig,
  MemberId,
  MemberRecord,
  MemberStart,
  Output,
  PeerMessage,
  Random,
  RefusalName,
  Reply,
  Retention,
  Role,
  StreamReply,
} from "../core/index.ts";
import type { Watched } from "./invariants.ts";
import type { MemberHost } from "./member-host.ts";
import type { Schedule } from "./schedule.ts";

/** What the simulator uses of a member. */
export interface SimMember extends Watched {
  isRemoved(memberId: MemberId): boolean;
  step(input: Input): readonly Output[];
  stepAll(inputs: readonly Input[]): readonly Output[];
}
export type StartMember = (
  start: MemberStart,
) =>
  | { readonly ok: true; readonly member: SimMember; readonly outputs: readonly Output[] }
  | { readonly ok: false; readonly reason: string };

export type PasswordWork = Extract<Output, { readonly type: "hashPassword" | "checkPassword" }>;

/** What a machine needs of the world around it. */
export interface HostWorld {
  readonly schedule: Schedule;
  /** Simulated time now. */
  readonly timeUs: number;
  send(from: number, message: PeerMessage): void;
  replied(host: MemberHost, requestId: number, reply: Reply): void;
  streamReplied(host: MemberHost, streamId: number, reply: StreamReply): void;
  streamEnded(host: MemberHost, streamId: number, refusal: RefusalName | undefined): void;
  /** A password to hash or to compare; the world steps the member with the result when it pleases. */
  passwordGiven(host: MemberHost, work: PasswordWork): void;
  roleChanged(host: MemberHost, role: Role, term: number): void;
  alarmsChanged(host: MemberHost, alarms: readonly AlarmRecord[]): void;
  compactedByItself(host: MemberHost, revision: number, retention: Retention): void;
  stepped(host: MemberHost): void;
  lifeStarted(host: MemberHost): void;
  lifeEnded(host: MemberHost, detail: string): void;
  /** The member ended for ever: others told it that it was removed. */
  removedItself(host: MemberHost): void;
  /** The member stopped itself, refused to start, or threw. */
  memberFailed(host: MemberHost, rule: string, reason: string): void;
}

export interface HostOptions {
  readonly slot: number;
  readonly name: string;
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  /** Those the cluster is founded with. */
  readonly members: readonly MemberRecord[];
  readonly config: MemberConfig;
  readonly clockOffsetMs: number;
  readonly clockDriftPpm: number;
  readonly syncMs: { readonly min: number; readonly max: number };
  readonly seed: number;
  readonly random: Random;
  readonly startMember: StartMember;
  readonly world: HostWorld;
}
