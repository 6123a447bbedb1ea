/*
 * watch: one watcher from the command line, or several from standard input; each event may run a command.
 * Source: etcd v3 contract, etcdctl, watch.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { Command, type Option, Option as OptionOf } from "commander";
import {
  ResponseHeaderSchema,
  Watch,
  WatchRequestSchema,
  type WatchResponse,
  WatchResponseSchema,
} from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { type Event, EventSchema, Event_EventType as EventType } from "../../../core/wire/gen/mvccpb/kv_pb.ts";
import { badArguments, CtlError, ctlExit } from "./failure.ts";
import { countFrom, type RangeFlags, rangeOf, wordsOf } from "./operands.ts";
import {
  bytesLine,
  fieldLine,
  goJson,
  goQuote,
  headerFields,
  keyValueFields,
  keyValueLines,
  unsupported,
  write,
} from "./print.ts";
import { type Session, streamErrorText } from "./session.ts";
import type { Stage } from "./verbs.ts";

interface WatchFlags extends Pick<RangeFlags, "prefix"> {
  readonly interactive?: boolean;
  readonly rev: string;
  readonly prevKv?: boolean;
  readonly progressNotify?: boolean;
}

const watchOptions: readonly Option[] = [
  new OptionOf("--prefix", "every key that begins so"),
  new OptionOf("--rev <revision>", "from that revision on; 0: from now on").default("0"),
  new OptionOf("--prev-kv", "print what was there before"),
  new OptionOf("--progress-notify", "print the revision now and then while nothing happens"),
];

export function addWatchVerb({ program, act, afterDashes }: Stage): void {
  const watch = program
    .command("watch")
    .description("print changes of a key, or of a range of keys, as they happen; behind -- a command to run for each")
    .argument("[key]", "or ETCDCTL_WATCH_KEY")
    .argument("[range_end]", "or ETCDCTL_WATCH_RANGE_END")
    .option("-i, --interactive", "read `watch [flags] key [end] [-- command]` and `progress` from standard input");
  for (const option of watchOptions) watch.addOption(option);
  watch.action((key: string | undefined, rangeEnd: string | undefined, flags: WatchFlags) =>
    act(async (session) => {
      const stream = new WatchStream(session, await session.bidi(Watch.method.watch, { requireLeader: true }));
      if (flags.interactive === true) return interactive(stream);
      const wanted = key ?? process.env["ETCDCTL_WATCH_KEY"];
      if (wanted === undefined) throw badArguments("watch command needs a key; give one, or set ETCDCTL_WATCH_KEY");
      stream.add(wanted, rangeEnd ?? process.env["ETCDCTL_WATCH_RANGE_END"], flags, afterDashes);
      return stream.ended;
    }),
  );
}

/** Lines from standard input; its end is an error, as it is etcdctl's. */
async function interactive(stream: WatchStream): Promise<never> {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const words = wordsOf(line);
    if (words[0] === "progress") stream.askProgress();
    else if (words[0] === "watch") addFromLine(stream, words.slice(1), line);
    else process.stderr.write(`Invalid command ${line} (only support watch)\n`);
  });
  const closed = new Promise<never>((_, reject) =>
    lines.once("close", () => reject(new CtlError("EOF", ctlExit.invalidInput))),
  );
  return Promise.race([closed, stream.ended]);
}

function addFromLine(stream: WatchStream, words: readonly string[], line: string): void {
  const dashes = words.indexOf("--");
  const command = new Command("watch").exitOverride().configureOutput({ writeErr: () => {} });
  command.argument("<key>").argument("[range_end]");
  for (const option of watchOptions) command.addOption(option);
  try {
    command.parse(dashes < 0 ? [...words] : words.slice(0, dashes), { from: "user" });
    const [key = "", rangeEnd] = command.args;
    stream.add(key, rangeEnd, command.opts<WatchFlags>(), dashes < 0 ? undefined : words.slice(dashes + 1));
  } catch (error) {
    process.stderr.write(`Invalid command ${line} (${error instanceof Error ? error.message : String(error)})\n`);
  }
}

class WatchStream {
  /** Never resolves: rejects when the stream ends, or a command fails. */
  readonly ended: Promise<never>;
  readonly #session: Session;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  /** Commands by watch id; watchers are created in the order in which they were asked for. */
  readonly #commands = new Map<bigint, readonly string[]>();
  readonly #asked: (readonly string[] | undefined)[] = [];
  #fail: (error: Error) => void = () => {};
  #working: Promise<void> = Promise.resolve();
  #hasEnded = false;

  constructor(session: Session, stream: ClientDuplexStream<Buffer, Buffer>) {
    this.#session = session;
    this.#stream = stream;
    this.ended = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    stream.on("data", (bytes: Buffer) => {
      this.#working = this.#working
        .then(() => this.#take(fromBinary(WatchResponseSchema, bytes)))
        .catch((error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    });
    stream.on("error", (error: ServiceError) => this.#canceled(streamErrorText(error)));
    stream.on("end", () => this.#canceled("the stream ended"));
  }

  add(key: string, rangeEnd: string | undefined, flags: WatchFlags, command: readonly string[] | undefined): void {
    this.#asked.push(command);
    const value = {
      ...rangeOf(key, rangeEnd, flags),
      startRevision: countFrom("revision", flags.rev),
      prevKv: flags.prevKv === true,
      progressNotify: flags.progressNotify === true,
    };
    this.#send({ requestUnion: { case: "createRequest", value } });
  }

  askProgress(): void {
    this.#send({ requestUnion: { case: "progressRequest", value: {} } });
  }

  #send(request: MessageInitShape<typeof WatchRequestSchema>): void {
    this.#stream.write(Buffer.from(toBinary(WatchRequestSchema, create(WatchRequestSchema, request))));
  }

  async #take(response: WatchResponse): Promise<void> {
    if (response.created) {
      const command = this.#asked.shift();
      if (command !== undefined) this.#commands.set(response.watchId, command);
    }
    if (response.canceled) {
      const compacted = "etcdserver: mvcc: required revision has been compacted";
      this.#canceled(response.compactRevision > 0n ? compacted : response.cancelReason);
      return;
    }
    if (response.created) return;
    this.#print(response);
    const command = this.#commands.get(response.watchId);
    if (command !== undefined) for (const event of response.events) await execute(command, response, event);
  }

  #print(response: WatchResponse): void {
    const { writeOut, hex } = this.#session.flags;
    switch (writeOut) {
      case "simple":
        if (response.events.length === 0) write(`progress notify: ${response.header?.revision ?? 0n}\n`);
        write(Buffer.concat(response.events.map((event) => eventLines(event, hex))));
        return;
      case "fields":
        write(headerFields(response.header) + response.events.map(eventFields).join(""));
        return;
      case "json":
        write(`${responseJson(response)}\n`);
        return;
      case "protobuf":
        write(Buffer.from(toBinary(WatchResponseSchema, response)));
        return;
      case "table":
        throw unsupported(writeOut);
    }
  }

  #canceled(reason: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    process.stderr.write(`watch was canceled (${reason})\n`);
    this.#fail(new CtlError("watch is canceled by the server", ctlExit.interrupted));
  }
}

const typeOf = (event: Event): string => (event.type === EventType.DELETE ? "DELETE" : "PUT");

function eventLines(event: Event, hex: boolean | undefined): Buffer {
  const { kv, prevKv } = event;
  return Buffer.concat([
    Buffer.from(`${typeOf(event)}\n`),
    ...(prevKv === undefined ? [] : [keyValueLines(prevKv, hex)]),
    ...(kv === undefined ? [] : [bytesLine(kv.key, hex), bytesLine(kv.value, hex)]),
  ]);
}

function eventFields(event: Event): string {
  const { kv, prevKv } = event;
  return (
    fieldLine("Type", typeOf(event)) +
    (prevKv === undefined ? "" : keyValueFields(prevKv, "Prev")) +
    (kv === undefined ? "" : keyValueFields(kv))
  );
}

/** The struct of etcd's client library, not the message. */
function responseJson({ header, events, compactRevision, canceled, created }: WatchResponse): string {
  const head = header === undefined ? "{}" : goJson(ResponseHeaderSchema, header);
  const list = events.map((event) => goJson(EventSchema, event)).join(",");
  return `{"Header":${head},"Events":[${list}],"CompactRevision":${compactRevision},"Canceled":${canceled},"Created":${created}}`;
}

/** Runs a command for one event and waits for it; it inherits the outputs. */
async function execute(command: readonly string[], { header }: WatchResponse, event: Event): Promise<void> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      ETCD_WATCH_REVISION: String(header?.revision ?? 0n),
      ETCD_WATCH_EVENT_TYPE: `"${typeOf(event)}"`,
      ETCD_WATCH_KEY: goQuote(event.kv?.key ?? new Uint8Array()),
      ETCD_WATCH_VALUE: goQuote(event.kv?.value ?? new Uint8Array()),
    },
  });
  const outcome = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(code === 0 ? undefined : `exit status ${code ?? signal}`));
  });
  if (outcome !== undefined) throw new CtlError(`command "${command.join(" ")}" failed (${outcome})`);
}
