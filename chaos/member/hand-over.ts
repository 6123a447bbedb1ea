/*
 * What a leader does before it ends: it hands over to the voter it has been connected to for longest, so that the others
 * need not wait for an election timeout. Told in etcd's words. Source: etcd's server, stop and transfer of leadership.
 */
import { hexOf, type Member } from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import type { Log } from "./log.ts";
import type { PeerNetwork } from "./network.ts";
import type { Seam } from "./seam.ts";

/** Resolves when nothing more can be done for it: there is nobody, it is done, or it failed. */
export async function handOver(options: {
  readonly member: Member;
  readonly network: Pick<PeerNetwork, "longestConnected">;
  readonly seam: Seam;
  readonly log: Log;
  readonly tickMs: number;
}): Promise<void> {
  const { network, seam, log, tickMs } = options;
  const { raft } = options.member;
  const own = hexOf(raft.id);
  if (raft.role !== "leader") {
    log.info("skipped leadership transfer; local server is not leader", { "local-member-id": own });
    return;
  }
  const others = raft.configuration.voters.filter((memberId) => memberId !== raft.id);
  if (others.length === 0) {
    log.info("skipped leadership transfer for single voting member cluster", { "local-member-id": own });
    return;
  }
  const targetId = network.longestConnected(others);
  if (targetId === undefined) return;
  const fields = { "local-member-id": own, "transferee-member-id": hexOf(targetId) };
  log.info("leadership transfer starting", fields);
  const startedMs = performance.now();
  const call = unaryCalls.moveLeader;
  const problem = await new Promise<string | undefined>((resolve) => {
    seam.unary(
      call.path,
      call.encodeRequest({ type: "moveLeader", targetId }),
      { requireLeader: false, credential: { type: "member" } },
      { answer: () => resolve(undefined), fail: (status) => resolve(status.text) },
    );
  });
  const took = `${(performance.now() - startedMs).toFixed(1)}ms`;
  if (problem === undefined) {
    log.info("leadership transfer finished", { ...fields, took });
    // Until the others have heard of it they send their clients' writes here, and this member passes them on.
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  } else log.warn("leadership transfer failed", { ...fields, error: problem });
}
