/*
 * The Lock service: a place in a queue, held until the key goes. Source: etcd v3 API, Lock.
 */
import { create } from "@bufbuild/protobuf";
import { emptyBytes, type Header, leaseIdOf } from "../../../core/index.ts";
import {
  LockRequestSchema,
  LockResponseSchema,
  UnlockRequestSchema,
  UnlockResponseSchema,
} from "../../../core/wire/gen/v3lockpb/lock_pb.ts";
import { headerToWire } from "../../../core/wire/key-value.ts";
import { plainRange } from "../../client/plain-range.ts";
import { type CallTarget, type Program, unknownStatus } from "../calls.ts";
import { CallFailure, type OwnClient } from "./client.ts";
import { unaryProgram } from "./program.ts";
import { deletionOf, join, type Place, waitForTurn } from "./queue.ts";

/** Programs of the service by path, over the member's own calls. */
export const lockPrograms = (target: CallTarget): [string, Program][] => [
  [
    "/v3lockpb.Lock/Lock",
    unaryProgram(target, LockRequestSchema, LockResponseSchema, async (client, request) => {
      const { header, key } = await lock(client, { name: request.name, lease: leaseIdOf(request.lease) });
      return create(LockResponseSchema, { header: headerToWire(header), key });
    }),
  ],
  [
    "/v3lockpb.Lock/Unlock",
    unaryProgram(target, UnlockRequestSchema, UnlockResponseSchema, async (client, request) => {
      const { header } = await client.call<"deleteRange">(deletionOf(request.key));
      return create(UnlockResponseSchema, { header: headerToWire(header) });
    }),
  ],
];

async function lock(
  client: OwnClient,
  request: Pick<Place, "lease"> & { readonly name: Uint8Array },
): Promise<{ readonly header: Header; readonly key: Uint8Array }> {
  const place = await join(client, { ...request, value: emptyBytes });
  const { key, createRevision, oldest } = place;
  if (oldest === undefined || oldest.createRevision === createRevision) return { header: place.header, key };
  try {
    await waitForTurn(client, request.name, createRevision);
    const { header, answer } = await client.call<"range">({ ...plainRange, key });
    // The lease ended while the key waited: nobody holds anything through it.
    if (answer.keyValues.length === 0) throw new CallFailure(unknownStatus("mutex: session is expired"));
    return { header, key };
  } catch (error) {
    // One who does not wait any more must not hold up those behind.
    await client.orphan.call<"deleteRange">(deletionOf(key)).catch(ignored);
    throw error;
  }
}

/** What went wrong before is what the client hears. */
const ignored = (): void => {};
