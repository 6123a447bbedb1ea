/*
 * A program written as an asynchronous function over messages → a call below the transport.
 */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { rpcCodeNumbers } from "../../../core/index.ts";
import { type CallTarget, type Program, unknownStatus } from "../calls.ts";
import type { CallStatus } from "../seam.ts";
import { CallFailure, ClientGone, OwnClient } from "./client.ts";

export function unaryProgram<In extends DescMessage, Out extends DescMessage>(
  target: CallTarget,
  input: In,
  output: Out,
  body: (client: OwnClient, request: MessageShape<In>) => Promise<MessageShape<Out>>,
): Program {
  return {
    kind: "unary",
    run(bytes, options, to) {
      const abort = new AbortController();
      const client = new OwnClient(target, options, abort.signal);
      const run = async (): Promise<void> => {
        try {
          to.answer(toBinary(output, await body(client, decoded(input, bytes, "grpc: error unmarshalling request"))));
        } catch (error) {
          if (!(error instanceof ClientGone)) to.fail(statusOfError(error));
        }
      };
      void run();
      return () => abort.abort();
    },
  };
}

/** The request is the stream's first message; answers follow until the client goes. */
export function streamProgram<In extends DescMessage, Out extends DescMessage>(
  target: CallTarget,
  input: In,
  output: Out,
  body: (
    client: OwnClient,
    request: MessageShape<In>,
    send: (reply: MessageShape<Out>) => Promise<void>,
  ) => Promise<void>,
): Program {
  return {
    kind: "stream",
    open(options, to) {
      const abort = new AbortController();
      const client = new OwnClient(target, options, abort.signal);
      /** Resolves when the reply has left: one at a time waits in this process. */
      const send = (reply: MessageShape<Out>): Promise<void> =>
        new Promise((resolve, reject) => {
          if (abort.signal.aborted) {
            reject(new ClientGone());
            return;
          }
          const gone = (): void => reject(new ClientGone());
          abort.signal.addEventListener("abort", gone, { once: true });
          to.send(toBinary(output, reply), () => {
            abort.signal.removeEventListener("abort", gone);
            resolve();
          });
        });
      const run = async (bytes: Uint8Array): Promise<void> => {
        try {
          await body(client, decoded(input, bytes, "grpc: failed to unmarshal the received message"), send);
          to.end(undefined);
        } catch (error) {
          if (!(error instanceof ClientGone)) to.end(statusOfError(error));
        }
      };
      let begun = false;
      return {
        message(bytes) {
          if (!begun) void run(bytes);
          begun = true;
        },
        halfClosed() {},
        gone: () => abort.abort(),
      };
    },
  };
}

function decoded<In extends DescMessage>(input: In, bytes: Uint8Array, problem: string): MessageShape<In> {
  try {
    return fromBinary(input, bytes);
  } catch (error) {
    const text = `${problem}: ${error instanceof Error ? error.message : String(error)}`;
    throw new CallFailure({ code: rpcCodeNumbers.INTERNAL, text });
  }
}

const statusOfError = (error: unknown): CallStatus =>
  error instanceof CallFailure ? error.status : unknownStatus(error instanceof Error ? error.message : String(error));
