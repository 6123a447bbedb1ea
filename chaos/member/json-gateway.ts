/*
 * etcd's API as JSON over HTTP/1.1: a POST to a path below /v3 is the gRPC call of the same meaning, its body and answer
 * the same messages in proto3's JSON. It knows no call's meaning: what the target serves, it serves.
 * Source: etcd v3 HTTP surface, JSON gateway.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { rpcCodeNumbers } from "../../core/index.ts";
import type { CallTarget } from "./calls.ts";
import { badRequest, bytesOfJson, errorBody, jsonOfBytes, optionsOf } from "./json-messages.ts";
import { jsonRoutes } from "./json-routes.ts";
import { JsonValues } from "./json-values.ts";
import type { CallStatus } from "./seam.ts";
import type { Method } from "./services.ts";

export interface JsonGatewayOptions {
  readonly target: CallTarget;
  /** Bound of one message in its JSON form. */
  readonly messageBytesMax: number;
}

/** Serves a request whose path begins with /v3/. */
export function serveJson(
  options: JsonGatewayOptions,
  pathname: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const route = jsonRoutes.get(pathname);
  if (route === undefined) fail(response, { code: rpcCodeNumbers.NOT_FOUND, text: "Not Found" });
  else if (request.method !== "POST") {
    fail(response, { code: rpcCodeNumbers.UNIMPLEMENTED, text: "Method Not Allowed" });
  } else if (grpcTimeoutMs(request.headers["grpc-timeout"]) === "malformed") {
    const text = `invalid grpc-timeout: ${request.headers["grpc-timeout"]}`;
    fail(response, { code: rpcCodeNumbers.INVALID_ARGUMENT, text });
  } else if (route.kind === "unary") serveUnary(options, route, request, response);
  else serveStream(options, route, request, response);
}

/** Numbers of gRPC codes, in order; what is not here is 500. */
const httpStatuses: { readonly [code: number]: number } = {
  0: 200,
  1: 499,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 400,
  12: 501,
  14: 503,
  16: 401,
};

// ---- unary ---------------------------------------------------------------------------------------------------

function serveUnary(
  { target, messageBytesMax }: JsonGatewayOptions,
  route: Method,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const values = new JsonValues(messageBytesMax);
  let first: string | undefined;
  request.on("data", (piece: Buffer) => {
    // What stands behind the first value is nobody's.
    if (response.headersSent || first !== undefined) return;
    try {
      for (const value of values.push(piece)) {
        first = value;
        break;
      }
    } catch (error) {
      fail(response, badRequest(error));
    }
  });
  request.on("end", () => {
    if (response.headersSent) return;
    let bytes: Uint8Array;
    try {
      if (first === undefined) values.end();
      bytes = bytesOfJson(route, first ?? "{}");
    } catch (error) {
      return fail(response, badRequest(error));
    }
    const giveUp = target.unary(route.path, bytes, optionsOf(request), {
      answer: (answer) => sendJson(response, 200, jsonOfBytes(route, answer), answerHeaders),
      fail: (status) => fail(response, status),
    });
    const stopClock = startClock(request, () => {
      giveUp();
      fail(response, deadlineExceeded);
    });
    response.on("close", () => {
      stopClock();
      if (!response.writableFinished) giveUp();
    });
  });
}

/** What the client allowed itself; absent: no bound. @returns to be called when nobody waits any more */
function startClock({ headers }: IncomingMessage, late: () => void): () => void {
  const timeoutMs = grpcTimeoutMs(headers["grpc-timeout"]);
  if (typeof timeoutMs !== "number") return () => {};
  const timer = setTimeout(late, timeoutMs);
  return () => clearTimeout(timer);
}

const deadlineExceeded: CallStatus = { code: rpcCodeNumbers.DEADLINE_EXCEEDED, text: "context deadline exceeded" };

// ---- streams -------------------------------------------------------------------------------------------------

/** Answers leave as one line each; the end of the request's body ends no watch. */
function serveStream(
  { target, messageBytesMax }: JsonGatewayOptions,
  route: Method,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const values = new JsonValues(messageBytesMax);
  // Lines written while the socket is full wait here for its next drain.
  let waiting: (() => void)[] = [];
  let ended = false;
  const begin = (status: number): void => {
    const headers = status === 200 ? answerHeaders : jsonHeaders;
    if (!response.headersSent) response.writeHead(status, headers);
  };
  const end = (status: CallStatus | undefined): void => {
    if (ended) return;
    ended = true;
    begin(status === undefined ? 200 : (httpStatuses[status.code] ?? 500));
    response.end(status === undefined ? "" : line({ error: errorBody(status) }));
  };
  response.on("drain", () => {
    const taken = waiting;
    waiting = [];
    for (const each of taken) each();
  });
  const stream = target.open(route.path, optionsOf(request), {
    send(bytes, taken) {
      if (ended) return;
      begin(200);
      if (response.write(line({ result: jsonOfBytes(route, bytes) }))) taken();
      else waiting.push(taken);
    },
    end,
  });
  if (stream === undefined) return;
  const stopClock = startClock(request, () => {
    stream.gone();
    end(deadlineExceeded);
  });
  const stop = (error: unknown): void => {
    stream.gone();
    end(badRequest(error));
  };
  let sent = 0;
  request.on("data", (piece: Buffer) => {
    if (ended) return;
    try {
      for (const value of values.push(piece)) {
        stream.message(bytesOfJson(route, value));
        sent++;
      }
    } catch (error) {
      stop(error);
    }
  });
  request.on("end", () => {
    if (ended) return;
    try {
      values.end();
    } catch (error) {
      return stop(error);
    }
    // A call with one request takes an empty body for an empty one.
    if (sent === 0 && route.kind === "server_streaming") stream.message(new Uint8Array(0));
    stream.halfClosed();
  });
  response.on("close", () => {
    ended = true;
    stopClock();
    stream.gone();
  });
}

const line = (value: JsonValue): string => `${JSON.stringify(value)}\n`;

// ---- time ----------------------------------------------------------------------------------------------------

const timeoutUnits: { readonly [unit: string]: number } = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** gRPC's form of a time, digits and a unit; undefined: there is none. */
function grpcTimeoutMs(text: string | string[] | undefined): number | "malformed" | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,19})([HMSmun])$/.exec(String(text));
  if (match === null) return "malformed";
  // A timer holds 31 bits of milliseconds.
  return Math.min(2 ** 31 - 1, Number(match[1]) * (timeoutUnits[match[2] ?? ""] ?? 0));
}

// ---- answers -------------------------------------------------------------------------------------------------

function fail(response: ServerResponse, status: CallStatus): void {
  if (response.headersSent) return;
  sendJson(response, httpStatuses[status.code] ?? 500, errorBody(status));
}

const jsonHeaders = { "content-type": "application/json" };
/** Of what a call answered: also the header its gRPC answer has, under the gateway's prefix. */
const answerHeaders = { ...jsonHeaders, "grpc-metadata-content-type": "application/grpc" };

function sendJson(response: ServerResponse, status: number, value: JsonValue, headers = jsonHeaders): void {
  if (response.headersSent || response.destroyed) return;
  const text = JSON.stringify(value);
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
