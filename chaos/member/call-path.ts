/*
 * What a call passes on its way from a port to the core, whichever port it came to. Each layer has one question, and hands
 * on what it has nothing to say about.
 *
 *     token ─▶ operator ─▶ meter ─▶ length ─▶ switchboard ─┬─▶ the seam: calls the core answers
 *     is it signed?  may it    how long   is it    whose     └─▶ programs: locks, elections, maintenance
 *     (when tokens   be asked  does it    small    call is
 *     are signed)    at all?   take?      enough?  it?
 */
import type { ClusterId, Member, MemberConfig, MemberId } from "../../core/index.ts";
import type { LmdbBackend } from "./backend.ts";
import { BoundedCalls } from "./bounded-calls.ts";
import { CallMeter } from "./call-meter.ts";
import { type CallTarget, Switchboard } from "./calls.ts";
import { electionPrograms } from "./concurrency/election.ts";
import { lockPrograms } from "./concurrency/lock.ts";
import type { MemberFlags } from "./flags.ts";
import { grpcOverheadBytes } from "./grpc/transport.ts";
import type { Log } from "./log.ts";
import { maintenancePrograms } from "./maintenance.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { OperatorGate } from "./operators.ts";
import { type Seam, statusOf } from "./seam.ts";
import { type SignedTokens, TokenChecker } from "./signed-tokens.ts";
import { slowCalls } from "./slow-calls.ts";

/** Longest message of a call: a request and what goes with it. */
export const messageBytesMaxOf = ({ requestBytesMax }: Pick<MemberConfig, "requestBytesMax">): number =>
  requestBytesMax + grpcOverheadBytes;

/** @returns `entrance`: where every port hands its calls in */
export function callPath(options: {
  readonly seam: Seam;
  readonly member: Member;
  readonly identity: { readonly memberId: MemberId; readonly clusterId: ClusterId };
  readonly backend: LmdbBackend;
  readonly flags: Pick<MemberFlags, "config" | "warnUnaryMs">;
  readonly metrics: Metrics;
  /** undefined: tokens are simple, and the core's own business. */
  readonly tokens: SignedTokens | undefined;
  readonly log: Log;
  readonly nowMs: () => number;
}): { readonly calls: CallMeter; readonly entrance: CallTarget } {
  const { seam, member, identity, backend, flags, metrics, tokens, log, nowMs } = options;
  const programs = new Map([
    ...lockPrograms(seam),
    ...electionPrograms(seam),
    ...maintenancePrograms({ target: seam, member, ...identity, backend, metrics }),
  ]);
  const calls = new CallMeter(
    new BoundedCalls(new Switchboard(seam, programs), messageBytesMaxOf(flags.config)),
    slowCalls({ warnAboveMs: flags.warnUnaryMs, log, observe: metrics.noteHandled }),
  );
  const guarded = new OperatorGate(calls, ({ credential }) => {
    const refusal = member.refusalOfOperator(credential, nowMs());
    return refusal === undefined ? undefined : statusOf(refusal);
  });
  return { calls, entrance: tokens === undefined ? guarded : new TokenChecker(guarded, tokens) };
}
