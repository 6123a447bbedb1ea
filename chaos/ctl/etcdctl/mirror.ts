/*
 * make-mirror: keys of one cluster copied to another, first as they stand, then change by change, each revision of the
 * source in one transaction. Source: etcd v3 contract, etcdctl, make-mirror.
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { ServiceError } from "@grpc/grpc-js";
import {
  KV,
  type RequestOpSchema,
  Watch,
  WatchRequestSchema,
  type WatchResponse,
  WatchResponseSchema,
} from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { type Event, Event_EventType as EventType } from "../../../core/wire/gen/mvccpb/kv_pb.ts";
import { CtlError, ctlExit } from "./failure.ts";
import { newTransport } from "./global-flags.ts";
import { countFrom, rangeOf } from "./operands.ts";
import { write } from "./print.ts";
import { Session, streamErrorText } from "./session.ts";
import type { Stage } from "./verbs.ts";

interface MirrorFlags {
  readonly prefix: string;
  readonly rev: string;
  readonly destPrefix: string;
  readonly maxTxnOps: string;
  readonly destCacert?: string;
  readonly destCert?: string;
  readonly destKey?: string;
  readonly destUser?: string;
  readonly destPassword?: string;
}

const pageKeys = 1000n;
const totalEveryMs = 30_000;

export function addMirrorVerb({ program, act }: Stage): void {
  program
    .command("make-mirror")
    .description("copy keys to another cluster, and go on with every change; prints the number of keys every 30 s")
    .argument("<destination>", "end point of the other cluster")
    .option("--prefix <prefix>", "only keys that begin so", "")
    .option("--rev <revision>", "changes from that revision on, nothing as it stands; 0: as it stands first", "0")
    .option("--dest-prefix <prefix>", "takes the place of the prefix there", "")
    .option("--no-dest-prefix", "keys lose the prefix there")
    .option("--max-txn-ops <n>", "changes in one transaction there", "128")
    .option("--dest-cacert <file>", "certificate authority of the destination")
    .option("--dest-cert <file>", "certificate to show the destination")
    .option("--dest-key <file>", "its key")
    .option("--dest-user <name[:password]>", "who asks there")
    .option("--dest-password <password>", "their password")
    .action((destination: string, flags: MirrorFlags) =>
      act(async (source) => {
        const tls = {
          ...given("cacert", flags.destCacert),
          ...given("cert", flags.destCert),
          ...given("key", flags.destKey),
        };
        const target = new Session(
          {
            endpoints: [destination],
            writeOut: "simple",
            commandTimeout: source.flags.commandTimeout,
            ...given("user", flags.destUser),
            ...given("password", flags.destPassword),
          },
          newTransport(tls),
        );
        const mirror = new Mirror(source, target, flags);
        const timer = setInterval(() => write(`${mirror.total}\n`), totalEveryMs);
        try {
          await mirror.run();
        } finally {
          clearInterval(timer);
          target.close();
        }
      }),
    );
}

const given = <Name extends string>(name: Name, value: string | undefined): { readonly [name in Name]?: string } =>
  value === undefined ? {} : ({ [name]: value } as { readonly [name in Name]: string });

type Operation = MessageInitShape<typeof RequestOpSchema>;

class Mirror {
  /** Keys written or deleted at the destination. */
  total = 0;
  readonly #source: Session;
  readonly #target: Session;
  readonly #prefix: Buffer;
  readonly #targetPrefix: Buffer;
  readonly #operationsMax: number;
  readonly #startRevision: bigint;

  constructor(source: Session, target: Session, flags: MirrorFlags) {
    this.#source = source;
    this.#target = target;
    this.#prefix = Buffer.from(flags.prefix);
    // commander gives `false` under the name of a flag that begins with "no".
    const dropsPrefix = (flags.destPrefix as unknown) === false;
    this.#targetPrefix =
      dropsPrefix || flags.destPrefix === ""
        ? dropsPrefix
          ? Buffer.alloc(0)
          : this.#prefix
        : Buffer.from(flags.destPrefix);
    this.#operationsMax = Math.max(1, Number(countFrom("number of operations", flags.maxTxnOps)));
    this.#startRevision = countFrom("revision", flags.rev);
  }

  /** Ends only by failing: when the source's watch ends, or the destination refuses. */
  async run(): Promise<never> {
    const from = this.#startRevision > 0n ? this.#startRevision : (await this.#copyAll()) + 1n;
    return this.#follow(from);
  }

  /** @returns the revision at which the keys were read */
  async #copyAll(): Promise<bigint> {
    const { key: first, rangeEnd } = rangeOf(this.#prefix.toString(), undefined, { prefix: true });
    let key = Buffer.from(first);
    let revision = 0n;
    for (;;) {
      const page = await this.#source.call(KV.method.range, { key, rangeEnd, limit: pageKeys, revision });
      revision = revision === 0n ? (page.message.header?.revision ?? 0n) : revision;
      for (const { key: each, value } of page.message.kvs) {
        await this.#target.call(KV.method.put, { key: this.#translated(each), value });
        this.total += 1;
      }
      const last = page.message.kvs.at(-1);
      if (!page.message.more || last === undefined) return revision;
      key = Buffer.concat([last.key, Buffer.from([0])]);
    }
  }

  async #follow(startRevision: bigint): Promise<never> {
    const stream = await this.#source.bidi(Watch.method.watch, { requireLeader: true });
    const range = rangeOf(this.#prefix.toString(), undefined, { prefix: true });
    const request = create(WatchRequestSchema, {
      requestUnion: { case: "createRequest", value: { ...range, startRevision } },
    });
    return new Promise<never>((_, reject) => {
      let working: Promise<void> = Promise.resolve();
      stream.on("data", (bytes: Buffer) => {
        stream.pause();
        working = working
          .then(() => this.#take(fromBinary(WatchResponseSchema, bytes)))
          .then(() => void stream.resume())
          .catch(reject);
      });
      stream.on("error", (error: ServiceError) => reject(new CtlError(streamErrorText(error))));
      stream.on("end", () => reject(new CtlError("the watch of the source ended")));
      stream.write(Buffer.from(toBinary(WatchRequestSchema, request)));
    });
  }

  async #take(response: WatchResponse): Promise<void> {
    if (response.canceled) {
      const compacted = "etcdserver: mvcc: required revision has been compacted";
      throw new CtlError(response.compactRevision > 0n ? compacted : response.cancelReason, ctlExit.interrupted);
    }
    let group: Operation[] = [];
    let revision = 0n;
    for (const event of response.events) {
      const at = event.kv?.modRevision ?? 0n;
      if ((at !== revision && group.length > 0) || group.length >= this.#operationsMax) {
        await this.#commit(group);
        group = [];
      }
      revision = at;
      group.push(this.#operationOf(event));
    }
    await this.#commit(group);
  }

  async #commit(success: readonly Operation[]): Promise<void> {
    if (success.length === 0) return;
    await this.#target.call(KV.method.txn, { success: [...success] });
    this.total += success.length;
  }

  #operationOf({ type, kv }: Event): Operation {
    const key = this.#translated(kv?.key ?? new Uint8Array());
    return type === EventType.DELETE
      ? { request: { case: "requestDeleteRange", value: { key } } }
      : { request: { case: "requestPut", value: { key, value: kv?.value ?? new Uint8Array() } } };
  }

  #translated(key: Uint8Array): Uint8Array {
    return Buffer.concat([this.#targetPrefix, Buffer.from(key).subarray(this.#prefix.length)]);
  }
}
