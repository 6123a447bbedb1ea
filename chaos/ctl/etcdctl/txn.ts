/*
 * txn: compares, what to do when all hold, what to do when not, each part ended by an empty line.
 * Source: etcd v3 contract, etcdctl, txn.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Command, type Option } from "commander";
import {
  type CompareSchema,
  KV,
  type RequestOpSchema,
  type ResponseOp,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  type TxnResponse,
} from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { CtlError, ctlExit } from "./failure.ts";
import {
  deleteFields,
  deleteLines,
  deleteRequest,
  delOptions,
  getOptions,
  putFields,
  putLines,
  putOptions,
  putRequest,
  rangeFields,
  rangeLines,
  rangeRequest,
} from "./keys.ts";
import { leaseIdFrom, readInput, unescaped, wordsOf } from "./operands.ts";
import { fieldLine, headerFields, print } from "./print.ts";
import type { Stage } from "./verbs.ts";

type CompareInit = MessageInitShape<typeof CompareSchema>;
type OperationInit = MessageInitShape<typeof RequestOpSchema>;
const invalid = (text: string): CtlError => new CtlError(text, ctlExit.invalidInput);

export function addTxnVerb({ program, act }: Stage): void {
  program
    .command("txn")
    .description("compare, then act, in one step")
    .option("-i, --interactive", "print what is asked for")
    .action(({ interactive }: { readonly interactive?: boolean }) =>
      act(async (session) => {
        const prompt = (text: string): void => void (interactive === true && process.stdout.write(text));
        const lines = new Lines((await readInput()).toString());
        prompt("compares:\n");
        const compare = lines.part().map(compareOf);
        prompt("success requests (get, put, del):\n");
        const success = lines.part().map(operationOf);
        prompt("\nfailure requests (get, put, del):\n");
        const failure = lines.part().map(operationOf);
        const answer = await session.call(KV.method.txn, { compare, success, failure });
        print(session.flags.writeOut, answer, {
          simple: () => simple(answer.message, session.flags.hex),
          fields: () => fields(answer.message),
        });
      }),
    );
}

class Lines {
  readonly #lines: string[];
  constructor(text: string) {
    this.#lines = text.split("\n");
    // What stands behind the last line break is no line.
    this.#lines.pop();
  }

  part(): string[] {
    const end = this.#lines.indexOf("");
    if (end < 0) throw invalid("EOF");
    const part = this.#lines.slice(0, end);
    this.#lines.splice(0, end + 1);
    return part;
  }
}

// ---- what is typed ---------------------------------------------------------------------------------------------

const results: { readonly [sign: string]: Result } = {
  "=": Result.EQUAL,
  "!=": Result.NOT_EQUAL,
  ">": Result.GREATER,
  "<": Result.LESS,
};

/** `version("key") = "1"` */
function compareOf(line: string): CompareInit {
  const match = /^\s*(\w+)\("((?:[^"\\]|\\.)*)"\)\s+(\S+)\s+"((?:[^"\\]|\\.)*)"\s*$/.exec(line);
  if (match === null) throw invalid(`malformed comparison: ${line}`);
  const [, target = "", key = "", sign = "", operand = ""] = match;
  const result = results[sign];
  if (result === undefined) throw invalid(`malformed comparison: ${line}; unknown operator "${sign}"`);
  const common = { key: Buffer.from(unescaped(key)), result };
  const number = (): bigint => {
    if (!/^-?\d{1,19}$/.test(operand)) throw invalid(`invalid txn compare request: ${line}`);
    return BigInt(operand);
  };
  switch (target) {
    case "ver":
    case "version":
      return { ...common, target: Target.VERSION, targetUnion: { case: "version", value: number() } };
    case "c":
    case "create":
      return { ...common, target: Target.CREATE, targetUnion: { case: "createRevision", value: number() } };
    case "m":
    case "mod":
      return { ...common, target: Target.MOD, targetUnion: { case: "modRevision", value: number() } };
    case "val":
    case "value": {
      const value = Buffer.from(unescaped(operand));
      return { ...common, target: Target.VALUE, targetUnion: { case: "value", value } };
    }
    case "lease":
      return { ...common, target: Target.LEASE, targetUnion: { case: "lease", value: leaseIdFrom(operand) } };
    default:
      throw invalid(`malformed comparison: ${line}; unknown target "${target}"`);
  }
}

/** `put k v`, `get k`, `del k`, each with its flags. */
function operationOf(line: string): OperationInit {
  const [verb = "", ...words] = wordsOf(line);
  switch (verb) {
    case "get": {
      const { operands, flags } = parsed<Parameters<typeof rangeRequest>[2]>(line, getOptions, words, [1, 2]);
      return { request: { case: "requestRange", value: rangeRequest(operands[0] ?? "", operands[1], flags) } };
    }
    case "put": {
      const { operands, flags } = parsed<Parameters<typeof putRequest>[2]>(line, putOptions, words, [1, 2]);
      const value = Buffer.from(operands[1] ?? "");
      return { request: { case: "requestPut", value: putRequest(operands[0] ?? "", value, flags) } };
    }
    case "del": {
      const { operands, flags } = parsed<Parameters<typeof deleteRequest>[2]>(line, delOptions, words, [1, 2]);
      return { request: { case: "requestDeleteRange", value: deleteRequest(operands[0] ?? "", operands[1], flags) } };
    }
    default:
      throw invalid(`invalid txn request: ${line}; it begins with get, put or del`);
  }
}

function parsed<Flags>(
  line: string,
  options: readonly Option[],
  words: readonly string[],
  [fewest, most]: readonly [number, number],
): { readonly operands: readonly string[]; readonly flags: Flags } {
  const command = new Command("operation")
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .argument("[operands...]");
  for (const option of options) command.addOption(option);
  try {
    command.parse([...words], { from: "user" });
  } catch (error) {
    throw invalid(`invalid txn request: ${line}; ${error instanceof Error ? error.message : String(error)}`);
  }
  const operands = command.args;
  if (operands.length < fewest || operands.length > most) throw invalid(`invalid txn request: ${line}`);
  return { operands, flags: command.opts() as Flags };
}

// ---- what is printed -------------------------------------------------------------------------------------------

function simple({ succeeded, responses }: TxnResponse, hex: boolean | undefined): Buffer {
  return Buffer.concat([
    Buffer.from(succeeded ? "SUCCESS\n" : "FAILURE\n"),
    ...responses.flatMap((response) => [Buffer.from("\n"), simpleOf(response, hex)]),
  ]);
}

function simpleOf({ response }: ResponseOp, hex: boolean | undefined): Buffer {
  switch (response.case) {
    case "responseRange":
      return rangeLines(response.value, {}, hex);
    case "responsePut":
      return putLines(response.value, { hex: hex === true });
    case "responseDeleteRange":
      return deleteLines(response.value, { hex: hex === true });
    case "responseTxn":
      return simple(response.value, hex);
    case undefined:
      return Buffer.alloc(0);
  }
}

function fields({ header, succeeded, responses }: TxnResponse): string {
  return headerFields(header) + fieldLine("Succeeded", succeeded) + responses.map(fieldsOf).join("");
}

function fieldsOf({ response }: ResponseOp): string {
  switch (response.case) {
    case "responseRange":
      return rangeFields(response.value);
    case "responsePut":
      return putFields(response.value);
    case "responseDeleteRange":
      return deleteFields(response.value);
    case "responseTxn":
      return fields(response.value);
    case undefined:
      return "";
  }
}
