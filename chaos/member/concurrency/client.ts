/*
 * A client of the own member through its calls, for programs that are made of them: a call with an answer, and waiting
 * for a key's events. Everything ends when the program's own client goes.
 */
import type { Answer, Header, Request, WatchReply } from "../../../core/index.ts";
import { watchIdOf } from "../../../core/index.ts";
import { streamCalls, unaryCalls } from "../../../core/wire/calls.ts";
import { type CallTarget, unknownStatus } from "../calls.ts";
import { type CallOptions, type CallStatus, statusOf } from "../seam.ts";

/** A call ended without an answer; what the program's client is told. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly status: CallStatus;
  constructor(status: CallStatus) {
    super(status.text);
    this.status = status;
  }
}

/** The program's client is gone; nobody is told. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

type AnswerOf<Type extends Request["type"]> = Extract<Answer, { readonly type: Type }>;

export class OwnClient {
  readonly #target: CallTarget;
  /** The caller's own: inner calls are made in its name. */
  readonly #options: CallOptions;
  readonly #signal: AbortSignal;

  constructor(target: CallTarget, options: CallOptions, signal: AbortSignal) {
    this.#target = target;
    this.#options = options;
    this.#signal = signal;
  }

  /** The caller gave up. */
  get isGone(): boolean {
    return this.#signal.aborted;
  }

  /** The same client for what must be done although the caller is gone. */
  get orphan(): OwnClient {
    return new OwnClient(this.#target, this.#options, new AbortController().signal);
  }

  /** @throws CallFailure, ClientGone */
  call<Type extends Request["type"]>(
    request: Extract<Request, { readonly type: Type }>,
  ): Promise<{ readonly header: Header; readonly answer: AnswerOf<Type> }> {
    const wire = unaryCalls[request.type];
    return this.#ending((resolve, reject) =>
      this.#target.unary(wire.path, wire.encodeRequest(request), this.#options, {
        answer(bytes) {
          const { header, answer } = wire.decodeAnswer(bytes);
          resolve({ header, answer: answer as AnswerOf<Type> });
        },
        fail: (status) => reject(new CallFailure(asInner(status))),
      }),
    );
  }

  /**
   * Watches until `visit` has seen enough.
   *
   * @param visit one reply with events; true: enough. A promise holds up the replies behind it, within the bound of
   *   every watch stream
   * @returns "enough", or "compacted" when the history asked for is gone
   * @throws CallFailure, ClientGone
   */
  watch(
    range: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array | undefined; readonly startRevision: number },
    visit: (reply: WatchReply) => boolean | Promise<boolean>,
  ): Promise<"enough" | "compacted"> {
    const wire = streamCalls.watch;
    return this.#ending((resolve, reject) => {
      let close: () => void = () => {};
      const stream = this.#target.open(wire.path, this.#options, {
        send(bytes, taken) {
          const reply = wire.decodeReply(bytes);
          if (reply.type !== "watch") return;
          if (reply.canceled && reply.compactRevision === 0) {
            reject(new CallFailure(unknownStatus(reply.cancelReason)));
            return;
          }
          const finish = (enough: boolean): void => {
            taken();
            if (!enough && reply.compactRevision === 0) return;
            close();
            resolve(enough ? "enough" : "compacted");
          };
          const enough = reply.events.length > 0 && visit(reply);
          if (typeof enough === "boolean") finish(enough);
          else enough.then(finish, reject);
        },
        end: (status) => reject(new CallFailure(asInner(status ?? unknownStatus("lost watcher waiting for delete")))),
      });
      if (stream === undefined) return close;
      close = once(() => stream.gone());
      const request = { progressNotify: false, noPut: false, noDelete: false, prevKv: false, fragment: false };
      stream.message(wire.encodeRequest({ type: "watchCreate", ...range, ...request, watchId: watchIdOf(0n) }));
      return close;
    });
  }

  /** A promise that also ends when the caller goes; `begin` returns how to give up. */
  #ending<Result>(
    begin: (resolve: (result: Result) => void, reject: (error: Error) => void) => () => void,
  ): Promise<Result> {
    const signal = this.#signal;
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(new ClientGone());
        return;
      }
      let giveUp: () => void = () => {};
      const gone = (): void => {
        giveUp();
        reject(new ClientGone());
      };
      signal.addEventListener("abort", gone, { once: true });
      const settled = (): void => signal.removeEventListener("abort", gone);
      giveUp = begin(
        (result) => {
          settled();
          resolve(result);
        },
        (error) => {
          settled();
          reject(error);
        },
      );
    });
  }
}

/** What is said of the caller's own call, before any program runs. */
const outerTexts: readonly string[] = [
  statusOf("noLeader"),
  statusOf("notSupportedForLearner"),
  statusOf("stopped"),
].map(({ text }) => text);

/** In etcd the code of an inner call is lost on its way through the program: only its text is left. */
const asInner = (status: CallStatus): CallStatus =>
  outerTexts.includes(status.text) ? status : unknownStatus(status.text);

function once(body: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    body();
  };
}
