/*
 * lease grant, revoke, timetolive, list, keep-alive. Ids are hexadecimal, TTLs seconds.
 * Source: etcd v3 contract, etcdctl, lease.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ServiceError } from "@grpc/grpc-js";
import {
  Lease,
  LeaseKeepAliveRequestSchema,
  type LeaseKeepAliveResponse,
  LeaseKeepAliveResponseSchema,
} from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { CtlError, ctlExit } from "./failure.ts";
import { countFrom, leaseIdFrom } from "./operands.ts";
import { fieldLine, flatHeaderJson, goQuote, headerFields, leaseText, print } from "./print.ts";
import { type Session, streamErrorText } from "./session.ts";
import type { Stage } from "./verbs.ts";

export function addLeaseVerbs({ program, act }: Stage): void {
  const lease = program.command("lease").description("leases: keys that end with a time to live");
  lease
    .command("grant")
    .description("grant a lease of so many seconds")
    .argument("<ttl>")
    .action((ttl: string) =>
      act(async (session) => {
        const answer = await session
          .call(Lease.method.leaseGrant, { TTL: countFrom("TTL", ttl) })
          .catch(rethrownAs("failed to grant lease"));
        const { header, ID, TTL, error } = answer.message;
        print(session.flags.writeOut, answer, {
          simple: () => `lease ${leaseText(ID)} granted with TTL(${TTL}s)\n`,
          fields: () => headerFields(header) + fieldLine("ID", ID) + fieldLine("TTL", TTL),
          json: () => `{${flatHeaderJson(header)},"ID":${ID},"TTL":${TTL},"Error":${JSON.stringify(error)}}`,
        });
      }),
    );
  lease
    .command("revoke")
    .description("end a lease, and its keys with it")
    .argument("<leaseID>")
    .action((id: string) =>
      act(async (session) => {
        const ID = leaseIdFrom(id);
        const answer = await session.call(Lease.method.leaseRevoke, { ID }).catch(rethrownAs("failed to revoke lease"));
        print(session.flags.writeOut, answer, {
          simple: () => `lease ${leaseText(ID)} revoked\n`,
          fields: () => headerFields(answer.message.header),
        });
      }),
    );
  lease
    .command("timetolive")
    .description("how long a lease has yet")
    .argument("<leaseID>")
    .option("--keys", "its keys too")
    .action((id: string, { keys }: { readonly keys?: boolean }) =>
      act(async (session) => {
        const answer = await session.call(Lease.method.leaseTimeToLive, { ID: leaseIdFrom(id), keys: keys === true });
        const { header, ID, TTL, grantedTTL, keys: attached } = answer.message;
        print(session.flags.writeOut, answer, {
          simple: () => {
            if (grantedTTL === 0n && TTL === -1n) return `lease ${leaseText(ID)} already expired\n`;
            const list = attached.map((key) => Buffer.from(key).toString()).join(" ");
            const shown = keys === true ? `, attached keys([${list}])` : "";
            return `lease ${leaseText(ID)} granted with TTL(${grantedTTL}s), remaining(${TTL}s)${shown}\n`;
          },
          fields: () =>
            headerFields(header) +
            fieldLine("ID", ID) +
            fieldLine("TTL", TTL) +
            fieldLine("GrantedTTL", grantedTTL) +
            attached.map((key) => fieldLine("Key", goQuote(key))).join(""),
          json: () => {
            const list = attached.map((key) => `"${Buffer.from(key).toString("base64")}"`).join(",");
            const shown = attached.length === 0 ? "null" : `[${list}]`;
            return `{${flatHeaderJson(header)},"id":${ID},"ttl":${TTL},"granted-ttl":${grantedTTL},"keys":${shown}}`;
          },
        });
      }),
    );
  lease
    .command("list")
    .description("all leases")
    .action(() =>
      act(async (session) => {
        const answer = await session.call(Lease.method.leaseLeases, {});
        const { header, leases } = answer.message;
        print(session.flags.writeOut, answer, {
          simple: () => `found ${leases.length} leases\n${leases.map(({ ID }) => `${leaseText(ID)}\n`).join("")}`,
          fields: () => headerFields(header) + leases.map(({ ID }) => fieldLine("ID", ID)).join(""),
          json: () => `{${flatHeaderJson(header)},"leases":[${leases.map(({ ID }) => `{"id":${ID}}`).join(",")}]}`,
        });
      }),
    );
  lease
    .command("keep-alive")
    .description("renew a lease again and again")
    .argument("<leaseID>")
    .option("--once", "only once")
    .action((id: string, { once }: { readonly once?: boolean }) =>
      act(async (session) => {
        const ID = leaseIdFrom(id);
        if (once === true) {
          const renewed = await renewOnce(session, ID);
          if (renewed.TTL <= 0n) throw new CtlError("etcdserver: requested lease not found", ctlExit.badConnection);
          printRenewed(session, renewed);
          return undefined;
        }
        await keepAlive(session, ID, (renewed) => printRenewed(session, renewed));
        process.stdout.write(`lease ${leaseText(ID)} expired or revoked.\n`);
        return undefined;
      }),
    );
}

/** The error behind what could not be done. */
const rethrownAs =
  (what: string) =>
  (error: unknown): never => {
    if (error instanceof CtlError) throw new CtlError(`${what} (${error.message})`, error.exitCode);
    throw error;
  };

function printRenewed(session: Session, message: LeaseKeepAliveResponse): void {
  const { header, ID, TTL } = message;
  const bytes = toBinary(LeaseKeepAliveResponseSchema, message);
  print(
    session.flags.writeOut,
    { schema: LeaseKeepAliveResponseSchema, message, bytes },
    {
      simple: () => `lease ${leaseText(ID)} keepalived with TTL(${TTL})\n`,
      fields: () => headerFields(header) + fieldLine("ID", ID) + fieldLine("TTL", TTL),
      json: () => `{${flatHeaderJson(header)},"ID":${ID},"TTL":${TTL}}`,
    },
  );
}

async function renewOnce(session: Session, ID: bigint): Promise<LeaseKeepAliveResponse> {
  const stream = await session.bidi(Lease.method.leaseKeepAlive);
  try {
    return await new Promise<LeaseKeepAliveResponse>((resolve, reject) => {
      stream.once("data", (bytes: Buffer) => resolve(fromBinary(LeaseKeepAliveResponseSchema, bytes)));
      stream.on("error", (error: ServiceError) => reject(new CtlError(streamErrorText(error))));
      stream.write(requestOf(ID));
    });
  } finally {
    stream.cancel();
  }
}

/**
 * Renews at a third of the time to live for as long as the lease lives.
 *
 * @returns when the lease is gone, or `signal` says to stop
 */
export async function keepAlive(
  session: Session,
  ID: bigint,
  renewed: (message: LeaseKeepAliveResponse) => void,
  signal?: AbortSignal,
): Promise<void> {
  const stream = await session.bidi(Lease.method.leaseKeepAlive);
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener("abort", () => resolve(), { once: true });
      stream.on("error", (error: ServiceError) => reject(new CtlError(streamErrorText(error))));
      stream.on("end", resolve);
      stream.on("data", (bytes: Buffer) => {
        const message = fromBinary(LeaseKeepAliveResponseSchema, bytes);
        if (message.TTL <= 0n) {
          resolve();
          return;
        }
        renewed(message);
        timer = setTimeout(() => stream.write(requestOf(ID)), (Number(message.TTL) * 1000) / 3);
      });
      stream.write(requestOf(ID));
    });
  } finally {
    clearTimeout(timer);
    stream.cancel();
  }
}

const requestOf = (ID: bigint): Buffer =>
  Buffer.from(toBinary(LeaseKeepAliveRequestSchema, create(LeaseKeepAliveRequestSchema, { ID })));
