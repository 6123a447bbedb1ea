/*
 * lock and elect: a lease of one's own, kept alive, holds a place in the queue of a name; the server's Lock and Election
 * services say whose turn it is. A signal gives the place up. Source: etcd v3 contract, etcdctl, lock and elect.
 */
import { spawn } from "node:child_process";
import { fromBinary } from "@bufbuild/protobuf";
import type { ServiceError } from "@grpc/grpc-js";
import { Lease } from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { Election, LeaderResponseSchema } from "../../../core/wire/gen/v3electionpb/election_pb.ts";
import { Lock } from "../../../core/wire/gen/v3lockpb/lock_pb.ts";
import { badArguments, CtlError } from "./failure.ts";
import { keepAlive } from "./leases.ts";
import { countFrom } from "./operands.ts";
import { bytesLine, keyValueLines, write } from "./print.ts";
import { type Session, streamErrorText } from "./session.ts";
import type { Stage } from "./verbs.ts";

/** Waiting for one's turn has no limit of its own. */
const patienceMs = Number.POSITIVE_INFINITY;
const electionTtlSeconds = 60;

export function addLockVerbs({ program, act, afterDashes }: Stage): void {
  program
    .command("lock")
    .description("hold a named lock until interrupted, or while a command runs")
    .argument("<lockname>")
    .argument("[command...]", "run with ETCD_LOCK_KEY and ETCD_LOCK_REV set")
    .option("--ttl <seconds>", "time to live of the lease that holds the lock", "10")
    .action((name: string, typed: readonly string[], { ttl }: { readonly ttl: string }) =>
      act(async (session) => {
        const command = [...typed, ...(afterDashes ?? [])];
        const lease = await hold(session, countFrom("TTL", ttl), "session expired");
        try {
          const asked = session.callAt(
            first(session),
            Lock.method.lock,
            { name: Buffer.from(name), lease: lease.id },
            patienceMs,
          );
          const granted = await lease.during(asked);
          if (granted === undefined) return undefined;
          const { key, header } = granted.message;
          if (command.length === 0) {
            write(Buffer.concat([bytesLine(key, session.flags.hex), Buffer.from("\n")]));
            await lease.until;
            return undefined;
          }
          return await lease.during(runHolding(command, { key, revision: header?.revision ?? 0n }));
        } finally {
          await lease.giveUp();
        }
      }),
    );

  program
    .command("elect")
    .description("stand for election, or watch one with --listen")
    .argument("<election-name>")
    .argument("[proposal]")
    .option("-l, --listen", "print each leader")
    .action((name: string, proposal: string | undefined, { listen }: { readonly listen?: boolean }) =>
      act(async (session) => {
        if (listen === true) {
          await observe(session, name);
          return;
        }
        if (proposal === undefined) throw badArguments("no proposal argument but -l not set");
        const lease = await hold(session, BigInt(electionTtlSeconds), "elect: session expired");
        try {
          const value = Buffer.from(proposal);
          const asked = session.callAt(
            first(session),
            Election.method.campaign,
            { name: Buffer.from(name), lease: lease.id, value },
            patienceMs,
          );
          const elected = await lease.during(asked);
          const leader = elected?.message.leader;
          if (leader === undefined) return;
          write(Buffer.concat([bytesLine(leader.key, session.flags.hex), bytesLine(value, session.flags.hex)]));
          await lease.until;
          await session.call(Election.method.resign, { leader });
        } finally {
          await lease.giveUp();
        }
      }),
    );
}

const first = (session: Session): string => session.endpoints[0] ?? "";

// ---- a lease of one's own --------------------------------------------------------------------------------------

interface Held {
  readonly id: bigint;
  /** Resolves when a signal says to stop; rejects when the lease is lost. */
  readonly until: Promise<undefined>;
  /** What came of it; undefined when a signal came first. */
  during<Result>(work: Promise<Result>): Promise<Result | undefined>;
  giveUp(): Promise<void>;
}

async function hold(session: Session, TTL: bigint, lostText: string): Promise<Held> {
  const { message } = await session.call(Lease.method.leaseGrant, { TTL });
  const { ID: id } = message;
  const stop = new AbortController();
  const interrupted = new Promise<undefined>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(undefined));
  });
  const lost = keepAlive(session, id, () => {}, stop.signal).then(() => {
    if (!stop.signal.aborted) throw new CtlError(lostText);
    return undefined;
  });
  const until = Promise.race([interrupted, lost]);
  // Whoever waits for it hears of it; nobody else has to.
  until.catch(() => {});
  return {
    id,
    until,
    during: (work) => Promise.race([work, until]),
    async giveUp() {
      stop.abort();
      await session.call(Lease.method.leaseRevoke, { ID: id }).catch((error: unknown) => {
        // A lease that is gone already holds nothing.
        if (!(error instanceof CtlError)) throw error;
      });
    },
  };
}

/** @returns the exit code of the command */
async function runHolding(
  command: readonly string[],
  held: { readonly key: Uint8Array; readonly revision: bigint },
): Promise<number> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    stdio: "inherit",
    env: { ...process.env, ETCD_LOCK_KEY: Buffer.from(held.key).toString(), ETCD_LOCK_REV: String(held.revision) },
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new CtlError(error.message)));
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

async function observe(session: Session, name: string): Promise<void> {
  const stream = await session.serverStream(Election.method.observe, { name: Buffer.from(name) });
  await new Promise<void>((resolve, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
    stream.on("data", (bytes: Buffer) => {
      const { kv } = fromBinary(LeaderResponseSchema, bytes);
      if (kv !== undefined) write(keyValueLines(kv, session.flags.hex));
    });
    stream.on("error", (error: ServiceError) => reject(new CtlError(streamErrorText(error))));
    stream.on("end", () => reject(new CtlError("elect: observer lost")));
  });
  stream.cancel();
}
