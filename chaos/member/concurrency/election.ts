/*
 * The Election service: a queue whose oldest key holds the leader's word. Source: etcd v3 API, Election.
 */
import { create } from "@bufbuild/protobuf";
import { equalBytes, type Header, type KeyValue, leaseIdOf } from "../../../core/index.ts";
import {
  CampaignRequestSchema,
  CampaignResponseSchema,
  type LeaderKey,
  LeaderKeySchema,
  LeaderRequestSchema,
  type LeaderResponse,
  LeaderResponseSchema,
  ProclaimRequestSchema,
  ProclaimResponseSchema,
  ResignRequestSchema,
  ResignResponseSchema,
} from "../../../core/wire/gen/v3electionpb/election_pb.ts";
import { headerToWire, keyValueToWire } from "../../../core/wire/key-value.ts";
import { type CallTarget, type Program, unknownStatus } from "../calls.ts";
import { CallFailure, type OwnClient } from "./client.ts";
import { streamProgram, unaryProgram } from "./program.ts";
import { deletionOf, endOfPrefix, firstOf, join, prefixOf, putOf, waitForTurn, whileCreatedAt } from "./queue.ts";

/** Programs of the service by path, over the member's own calls. */
export const electionPrograms = (target: CallTarget): [string, Program][] => [
  [
    "/v3electionpb.Election/Campaign",
    unaryProgram(target, CampaignRequestSchema, CampaignResponseSchema, async (client, { name, lease, value }) => {
      const won = await campaign(client, { name, lease: leaseIdOf(lease), value });
      const leader = create(LeaderKeySchema, { name, key: won.key, rev: BigInt(won.revision), lease: won.lease });
      return create(CampaignResponseSchema, { header: headerToWire(won.header), leader });
    }),
  ],
  [
    "/v3electionpb.Election/Proclaim",
    unaryProgram(target, ProclaimRequestSchema, ProclaimResponseSchema, async (client, { leader, value }) => {
      const { key, rev, lease } = given(leader);
      const put = putOf(key, value, leaseIdOf(lease));
      const { header, answer } = await client.call<"txn">(whileCreatedAt(key, Number(rev), put));
      if (!answer.succeeded) throw notLeader();
      return create(ProclaimResponseSchema, { header: headerToWire(header) });
    }),
  ],
  [
    "/v3electionpb.Election/Resign",
    unaryProgram(target, ResignRequestSchema, ResignResponseSchema, async (client, { leader }) => {
      const { key, rev } = given(leader);
      const { header } = await client.call<"txn">(whileCreatedAt(key, Number(rev), deletionOf(key)));
      return create(ResignResponseSchema, { header: headerToWire(header) });
    }),
  ],
  [
    "/v3electionpb.Election/Leader",
    unaryProgram(target, LeaderRequestSchema, LeaderResponseSchema, async (client, { name }) => {
      const { header, keyValue } = await leaderOf(client, name);
      if (keyValue === undefined) throw new CallFailure(unknownStatus("election: no leader"));
      return leaderResponse(header, keyValue);
    }),
  ],
  [
    "/v3electionpb.Election/Observe",
    streamProgram(target, LeaderRequestSchema, LeaderResponseSchema, (client, { name }, send) =>
      observe(client, name, send),
    ),
  ],
];

interface Won {
  readonly header: Header;
  readonly key: Uint8Array;
  readonly revision: number;
  readonly lease: bigint;
}

async function campaign(client: OwnClient, request: Parameters<typeof join>[1]): Promise<Won> {
  const { key, lease, createRevision: revision, found, header } = await join(client, request);
  try {
    if (found !== undefined && !equalBytes(found.value, request.value)) {
      const put = putOf(key, request.value, lease);
      const { answer } = await client.call<"txn">(whileCreatedAt(key, revision, put));
      if (!answer.succeeded) throw notLeader();
    }
    await waitForTurn(client, request.name, revision);
  } catch (error) {
    // One who does not wait any more must not hold up those behind. What went wrong first is what the client hears.
    await client.orphan.call<"txn">(whileCreatedAt(key, revision, deletionOf(key))).catch(() => {});
    throw error;
  }
  return { header, key, revision, lease };
}

/** Every word of every leader, one after the other, until the client goes. */
async function observe(
  client: OwnClient,
  name: Uint8Array,
  send: (reply: LeaderResponse) => Promise<void>,
): Promise<void> {
  const prefix = prefixOf(name);
  for (;;) {
    const { header, keyValue } = await leaderOf(client, name);
    const startRevision = header.revision + 1;
    if (keyValue === undefined) {
      const range = { key: prefix, rangeEnd: endOfPrefix(prefix), startRevision };
      await client.watch(range, (reply) => reply.events.some((event) => event.type === "put"));
      continue;
    }
    await send(leaderResponse(header, keyValue));
    await client.watch({ key: keyValue.key, rangeEnd: undefined, startRevision }, (reply) => {
      const sent: Promise<void>[] = [];
      for (const event of reply.events) {
        if (event.type === "delete") return true;
        sent.push(send(leaderResponse({ ...reply.header, revision: event.keyValue.modRevision }, event.keyValue)));
      }
      return Promise.all(sent).then(() => false);
    });
  }
}

async function leaderOf(
  client: OwnClient,
  name: Uint8Array,
): Promise<{ readonly header: Header; readonly keyValue: KeyValue | undefined }> {
  const { header, answer } = await client.call<"range">({ ...firstOf(prefixOf(name)), sortOrder: "ascend" });
  return { header, keyValue: answer.keyValues[0] };
}

const leaderResponse = (header: Header, keyValue: KeyValue): LeaderResponse =>
  create(LeaderResponseSchema, { header: headerToWire(header), kv: keyValueToWire(keyValue) });

const notLeader = (): CallFailure => new CallFailure(unknownStatus("election: not leader"));

function given(leader: LeaderKey | undefined): LeaderKey {
  if (leader === undefined) throw new CallFailure(unknownStatus('"leader" field must be provided'));
  return leader;
}
