/*
 * A call's messages as the JSON gateway has them, and what its headers say of the caller.
 * Source: etcd v3 HTTP surface, JSON gateway.
 */
import type { IncomingMessage } from "node:http";
import { fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { rpcCodeNumbers } from "../../core/index.ts";
import { refuseRepeats } from "./json-repeats.ts";
import { parseValue } from "./json-values.ts";
import { type CallOptions, type CallStatus, credentialOf } from "./seam.ts";
import type { Method } from "./services.ts";

/** @throws an error in words when the text is no such message */
export function bytesOfJson(route: Method, text: string): Uint8Array {
  const value = parseValue(text);
  refuseRepeats(route.input, text);
  return toBinary(route.input, fromJson(route.input, value as JsonValue, { ignoreUnknownFields: true }));
}

export const jsonOfBytes = (route: Method, bytes: Uint8Array): JsonValue =>
  toJson(route.output, fromBinary(route.output, bytes), { useProtoFieldName: true });

export function optionsOf({ headers }: Pick<IncomingMessage, "headers">): CallOptions {
  const requireLeader = headers["grpc-metadata-hasleader"] === "true";
  const token = headers["grpc-metadata-token"] ?? headers.authorization;
  const version = headers["grpc-metadata-client-api-version"];
  return {
    requireLeader,
    ...(typeof token === "string" ? { credential: credentialOf(token) } : {}),
    ...(typeof version === "string" ? { clientApiVersion: version } : {}),
  };
}

export const errorBody = (status: CallStatus): { code: number; message: string } => ({
  code: status.code,
  message: status.text,
});

export const badRequest = (error: unknown): CallStatus => ({
  code: rpcCodeNumbers.INVALID_ARGUMENT,
  text: error instanceof Error ? error.message : String(error),
});
