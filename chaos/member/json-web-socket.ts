/*
 * The JSON gateway over a WebSocket, as etcd has it: what the client sends is the body of a POST to that path, each message
 * a line of it; each line of the answer is a message of its own; and with the end of the answer the connection is
 * closed, without a word of WebSocket's. Source: etcd v3 HTTP surface, JSON gateway; grpc-websocket-proxy.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { JsonValue } from "@bufbuild/protobuf";
import { rpcCodeNumbers } from "../../core/index.ts";
import type { JsonGatewayOptions } from "./json-gateway.ts";
import { badRequest, bytesOfJson, errorBody, jsonOfBytes, optionsOf } from "./json-messages.ts";
import { jsonRoutes } from "./json-routes.ts";
import { JsonValues } from "./json-values.ts";
import type { CallOptions, CallStatus } from "./seam.ts";
import type { Method } from "./services.ts";
import { asksForWebSocket, WebSocketSide } from "./web-socket.ts";

/** What a call does with what its client sends. */
interface Call {
  message(text: string): void;
  /** Nobody waits for an answer any more. */
  gone(): void;
}

/** What a call says to its client; after `end` nothing. */
interface Answers {
  /** @param taken called once it has left this process's buffers */
  send(value: JsonValue, taken: () => void): void;
  end(last?: JsonValue): void;
}

/** @returns false: the client does not ask for a WebSocket */
export function serveWebSocket(
  options: JsonGatewayOptions,
  pathname: string,
  request: IncomingMessage,
  socket: Duplex,
): boolean {
  if (!asksForWebSocket(request)) return false;
  const values = new JsonValues(options.messageBytesMax);
  let waiting: (() => void)[] = [];
  let ended = false;
  let call: Call | undefined;
  const answers: Answers = {
    send(value, taken) {
      if (ended) return;
      if (side.send(JSON.stringify(value))) taken();
      else waiting.push(taken);
    },
    end(last) {
      if (ended) return;
      ended = true;
      if (last !== undefined) side.send(JSON.stringify(last));
      side.close();
    },
  };
  const side = new WebSocketSide(request, socket, {
    messageBytesMax: options.messageBytesMax,
    handlers: {
      message(text) {
        if (ended) return;
        try {
          for (const value of values.push(text)) call?.message(value);
          for (const value of values.push(newline)) call?.message(value);
        } catch (error) {
          call?.gone();
          answers.end({ error: errorBody(badRequest(error)) });
        }
      },
      closed() {
        ended = true;
        call?.gone();
      },
      drained() {
        const taken = waiting;
        waiting = [];
        for (const each of taken) each();
      },
    },
  });
  const route = jsonRoutes.get(pathname);
  if (route === undefined) answers.end(errorBody({ code: rpcCodeNumbers.NOT_FOUND, text: "Not Found" }));
  else call = (route.kind === "unary" ? unaryCall : streamCall)(options, route, callOptionsOf(request), answers);
  return true;
}

const newline = new TextEncoder().encode("\n");

/** The first value is the request; nobody takes a second one. */
function unaryCall({ target }: JsonGatewayOptions, route: Method, options: CallOptions, to: Answers): Call {
  let giveUp: (() => void) | undefined;
  const fail = (status: CallStatus): void => to.end(errorBody(status));
  return {
    message(text) {
      if (giveUp !== undefined) return;
      giveUp = () => {};
      let bytes: Uint8Array;
      try {
        bytes = bytesOfJson(route, text);
      } catch (error) {
        return fail(badRequest(error));
      }
      giveUp = target.unary(route.path, bytes, options, {
        answer: (answer) => to.end(jsonOfBytes(route, answer)),
        fail,
      });
    },
    gone: () => giveUp?.(),
  };
}

function streamCall({ target }: JsonGatewayOptions, route: Method, options: CallOptions, to: Answers): Call {
  const stream = target.open(route.path, options, {
    send: (bytes, taken) => to.send({ result: jsonOfBytes(route, bytes) }, taken),
    end: (status) => to.end(status === undefined ? undefined : { error: errorBody(status) }),
  });
  return {
    message: (text) => stream?.message(bytesOfJson(route, text)),
    gone: () => stream?.gone(),
  };
}

/** Browsers can set no header of their own: a token comes in a cookie, or as the name of a protocol. */
function callOptionsOf({ headers }: IncomingMessage): CallOptions {
  const cookie = /(?:^|;\s*)token=([^;]*)/.exec(headers.cookie ?? "")?.[1];
  const protocol = headers["sec-websocket-protocol"];
  const named = protocol === undefined ? undefined : (/Bearer,(.*)$/s.exec(protocol)?.[1]?.trim() ?? "");
  const authorization = cookie ?? named ?? headers.authorization;
  return optionsOf({ headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) } });
}
