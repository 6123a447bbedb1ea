/*
 * get, put, del, compaction. Source: etcd v3 contract, etcdctl, key commands.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Option } from "commander";
import {
  type DeleteRangeRequestSchema,
  type DeleteRangeResponse,
  KV,
  type PutRequestSchema,
  type PutResponse,
  type RangeRequestSchema,
  type RangeResponse,
  RangeRequest_SortOrder as SortOrder,
  RangeRequest_SortTarget as SortTarget,
} from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { badArguments, CtlError, ctlExit } from "./failure.ts";
import { countFrom, leaseIdFrom, type RangeFlags, rangeOf, readInput } from "./operands.ts";
import { bytesLine, fieldLine, headerFields, keyValueFields, keyValueLines, print } from "./print.ts";
import type { GlobalFlags } from "./session.ts";
import type { Stage } from "./verbs.ts";

const sortTargets: { readonly [name: string]: SortTarget } = {
  KEY: SortTarget.KEY,
  VERSION: SortTarget.VERSION,
  CREATE: SortTarget.CREATE,
  MODIFY: SortTarget.MOD,
  VALUE: SortTarget.VALUE,
};
const sortOrders: { readonly [name: string]: SortOrder } = { ASCEND: SortOrder.ASCEND, DESCEND: SortOrder.DESCEND };

export interface GetFlags extends RangeFlags {
  readonly consistency: string;
  readonly order: string;
  readonly sortBy: string;
  readonly limit: string;
  readonly rev: string;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly printValueOnly?: boolean;
  readonly minCreateRev: string;
  readonly maxCreateRev: string;
  readonly minModRev: string;
  readonly maxModRev: string;
}
export interface PutFlags {
  readonly lease: string;
  readonly prevKv?: boolean;
  readonly ignoreValue?: boolean;
  readonly ignoreLease?: boolean;
}
export interface DelFlags extends RangeFlags {
  readonly prevKv?: boolean;
  readonly range?: boolean;
}

/** The options of get, put and del, for a command line and for a line of a transaction alike. */
export const getOptions: readonly Option[] = [
  new Option("--consistency <l|s>", "linearizable or serializable").default("l"),
  new Option("--order <order>", "ASCEND or DESCEND").default(""),
  new Option("--sort-by <target>", "CREATE, KEY, MODIFY, VALUE or VERSION").default(""),
  new Option("--limit <n>", "at most so many keys; 0: all").default("0"),
  new Option("--prefix", "every key that begins so"),
  new Option("--from-key", "every key from this one on"),
  new Option("--rev <revision>", "as it was at that revision; 0: now").default("0"),
  new Option("--keys-only", "no values"),
  new Option("--count-only", "how many there are, with -w fields or json"),
  new Option("--print-value-only", "no keys"),
  new Option("--min-create-rev <revision>", "created at that revision or later").default("0"),
  new Option("--max-create-rev <revision>", "created at that revision or earlier").default("0"),
  new Option("--min-mod-rev <revision>", "changed at that revision or later").default("0"),
  new Option("--max-mod-rev <revision>", "changed at that revision or earlier").default("0"),
];
export const putOptions: readonly Option[] = [
  new Option("--lease <id>", "attach to that lease, in hex").default("0"),
  new Option("--prev-kv", "print what was there before"),
  new Option("--ignore-value", "keep the value that is there"),
  new Option("--ignore-lease", "keep the lease that is there"),
];
export const delOptions: readonly Option[] = [
  new Option("--prefix", "every key that begins so"),
  new Option("--from-key", "every key from this one on"),
  new Option("--prev-kv", "print what was there before"),
  new Option("--range", "the two keys are a range"),
];

export function addKeyVerbs({ program, act }: Stage): void {
  const get = program
    .command("get")
    .description("print a key, or a range of keys")
    .argument("<key>")
    .argument("[range_end]");
  for (const option of getOptions) get.addOption(option);
  get.action((key: string, rangeEnd: string | undefined, flags: GetFlags) =>
    act(async (session) => {
      const { writeOut, hex } = session.flags;
      if (flags.countOnly === true && writeOut === "simple")
        throw badArguments("--count-only is only for `--write-out=fields`");
      if (flags.printValueOnly === true && flags.keysOnly === true)
        throw badArguments("only one of --keys-only and --print-value-only may be set");
      const answer = await session.call(KV.method.range, rangeRequest(key, rangeEnd, flags));
      const { message } = answer;
      print(writeOut, answer, {
        simple: () => rangeLines(message, flags, hex),
        fields: () => rangeFields(message),
      });
    }),
  );

  const put = program
    .command("put")
    .description("put a key")
    .argument("<key>")
    .argument("[value]", "read from standard input when it is not given");
  for (const option of putOptions) put.addOption(option);
  put.action((key: string, value: string | undefined, flags: PutFlags) =>
    act(async (session) => {
      if (flags.ignoreValue === true && value !== undefined)
        throw badArguments("put command needs only 1 argument when 'ignore-value' is set");
      const bytes =
        flags.ignoreValue === true ? Buffer.alloc(0) : value === undefined ? await readInput() : Buffer.from(value);
      const answer = await session.call(KV.method.put, putRequest(key, bytes, flags));
      print(session.flags.writeOut, answer, {
        simple: () => putLines(answer.message, session.flags),
        fields: () => putFields(answer.message),
      });
    }),
  );

  const del = program
    .command("del")
    .description("delete a key, or a range of keys")
    .argument("<key>")
    .argument("[range_end]");
  for (const option of delOptions) del.addOption(option);
  del.action((key: string, rangeEnd: string | undefined, flags: DelFlags) =>
    act(async (session) => {
      const answer = await session.call(KV.method.deleteRange, deleteRequest(key, rangeEnd, flags));
      print(session.flags.writeOut, answer, {
        simple: () => deleteLines(answer.message, session.flags),
        fields: () => deleteFields(answer.message),
      });
    }),
  );

  program
    .command("compaction")
    .alias("compact")
    .description("forget the history before a revision")
    .argument("<revision>")
    .option("--physical", "answer only when it is gone from the disk")
    .action((revision: string, { physical }: { readonly physical?: boolean }) =>
      act(async (session) => {
        const number = countFrom("revision", revision);
        await session.call(KV.method.compact, { revision: number, physical: physical === true });
        process.stdout.write(`compacted revision ${number}\n`);
      }),
    );
}

// ---- requests --------------------------------------------------------------------------------------------------

export function rangeRequest(
  key: string,
  rangeEnd: string | undefined,
  flags: GetFlags,
): MessageInitShape<typeof RangeRequestSchema> {
  if (!["l", "s"].includes(flags.consistency))
    throw new CtlError(`unknown consistency flag "${flags.consistency}"`, ctlExit.badFeature);
  return {
    ...rangeOf(key, rangeEnd, flags),
    limit: countFrom("limit", flags.limit),
    revision: countFrom("revision", flags.rev),
    sortOrder: oneOf("sort order", sortOrders, flags.order) ?? SortOrder.NONE,
    sortTarget: oneOf("sort target", sortTargets, flags.sortBy) ?? SortTarget.KEY,
    serializable: flags.consistency === "s",
    keysOnly: flags.keysOnly === true,
    countOnly: flags.countOnly === true,
    minCreateRevision: countFrom("revision", flags.minCreateRev),
    maxCreateRevision: countFrom("revision", flags.maxCreateRev),
    minModRevision: countFrom("revision", flags.minModRev),
    maxModRevision: countFrom("revision", flags.maxModRev),
  };
}

function oneOf<Value>(what: string, known: { readonly [name: string]: Value }, name: string): Value | undefined {
  if (name === "") return undefined;
  const value = known[name.toUpperCase()];
  if (value === undefined)
    throw new CtlError(`bad ${what} ${name}; it is one of ${Object.keys(known).join(", ")}`, ctlExit.badFeature);
  return value;
}

export const putRequest = (key: string, value: Buffer, flags: PutFlags): MessageInitShape<typeof PutRequestSchema> => ({
  key: Buffer.from(key),
  value,
  lease: leaseIdFrom(flags.lease),
  prevKv: flags.prevKv === true,
  ignoreValue: flags.ignoreValue === true,
  ignoreLease: flags.ignoreLease === true,
});

export const deleteRequest = (
  key: string,
  rangeEnd: string | undefined,
  flags: DelFlags,
): MessageInitShape<typeof DeleteRangeRequestSchema> => ({
  ...rangeOf(key, rangeEnd, flags),
  prevKv: flags.prevKv === true,
});

// ---- answers ---------------------------------------------------------------------------------------------------

export function rangeLines(
  { kvs }: RangeResponse,
  flags: Pick<GetFlags, "printValueOnly">,
  hex: boolean | undefined,
): Buffer {
  return Buffer.concat(
    kvs.map((each) => (flags.printValueOnly === true ? bytesLine(each.value, hex) : keyValueLines(each, hex))),
  );
}

export const rangeFields = ({ header, kvs, more, count }: RangeResponse): string =>
  headerFields(header) +
  kvs.map((each) => keyValueFields(each)).join("") +
  fieldLine("More", more) +
  fieldLine("Count", count);

export const putLines = ({ prevKv }: PutResponse, { hex }: Pick<GlobalFlags, "hex">): Buffer =>
  Buffer.concat([Buffer.from("OK\n"), ...(prevKv === undefined ? [] : [keyValueLines(prevKv, hex)])]);

export const putFields = ({ header, prevKv }: PutResponse): string =>
  headerFields(header) + (prevKv === undefined ? "" : keyValueFields(prevKv, "Prev"));

export const deleteLines = ({ deleted, prevKvs }: DeleteRangeResponse, { hex }: Pick<GlobalFlags, "hex">): Buffer =>
  Buffer.concat([Buffer.from(`${deleted}\n`), ...prevKvs.map((each) => keyValueLines(each, hex))]);

export const deleteFields = ({ header, deleted, prevKvs }: DeleteRangeResponse): string =>
  headerFields(header) + fieldLine("Deleted", deleted) + prevKvs.map((each) => keyValueFields(each, "Prev")).join("");
