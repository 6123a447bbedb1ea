/*
 * What a gRPC call says in its headers, and how its end is said in trailers. Source: gRPC over HTTP/2, requests,
 * responses, timeouts, percent-encoding of messages.
 */
import { type Credential, rpcCodeNumbers } from "../../../core/index.ts";
import type { CallOptions, CallStatus } from "../seam.ts";
import { encodeHeaders, type HeaderMap } from "./hpack.ts";
import { type Encoding, encodings } from "./messages.ts";

/** What one call says of itself before its first message. */
export interface CallHead {
  readonly options: CallOptions;
  readonly encoding: Encoding;
  /** Time the client gives; undefined: no bound. */
  readonly timeoutMs: number | undefined;
}

/**
 * @param user whom the certificate of the connection names
 * @returns a status when the call cannot be served as it says
 */
export function headOf(headers: HeaderMap, user: string | undefined): CallHead | CallStatus {
  const encoding = headers["grpc-encoding"];
  const known = encoding === undefined ? "identity" : encodings.find((name) => name === encoding);
  if (known === undefined) {
    const text = `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`;
    return { code: rpcCodeNumbers.UNIMPLEMENTED, text };
  }
  const timeout = headers["grpc-timeout"];
  if (timeout === undefined) return { options: optionsOf(headers, user), encoding: known, timeoutMs: undefined };
  const timeoutMs = timeoutOf(timeout);
  if (timeoutMs === undefined) {
    return { code: rpcCodeNumbers.INTERNAL, text: `malformed grpc-timeout: ${JSON.stringify(timeout)}` };
  }
  return { options: optionsOf(headers, user), encoding: known, timeoutMs };
}

function optionsOf(headers: HeaderMap, user: string | undefined): CallOptions {
  const requireLeader = firstOf(headers["hasleader"]) === "true";
  const credential = credentialOf(headers, user);
  const version = firstOf(headers["client-api-version"]);
  if (credential === undefined && version === undefined) return requireLeader ? needsLeader : plainOptions;
  return {
    requireLeader,
    ...(credential === undefined ? {} : { credential }),
    ...(version === undefined ? {} : { clientApiVersion: version }),
  };
}

/**
 * A token may stand under either name; the first one that is there counts. A certificate speaks for its owner only:
 * what a gateway passes on under its own certificate is somebody else's.
 */
function credentialOf(headers: HeaderMap, user: string | undefined): Credential | undefined {
  const token = firstOf(headers["token"] ?? headers["authorization"]);
  if (token !== undefined) return { type: "token", token };
  if (user === undefined || headers["grpcgateway-accept"] !== undefined) return undefined;
  return { type: "certificate", user };
}

const plainOptions: CallOptions = { requireLeader: false };
const needsLeader: CallOptions = { requireLeader: true };

/** The values of a header that comes twice are joined by a comma. */
function firstOf(value: string | undefined): string | undefined {
  const comma = value?.indexOf(", ") ?? -1;
  return comma < 0 ? value : value?.slice(0, comma);
}

const unitMs: { readonly [unit: string]: number } = {
  n: 1e-6,
  u: 1e-3,
  m: 1,
  S: 1_000,
  M: 60_000,
  H: 3_600_000,
};

/** Eight digits at most and a unit. */
function timeoutOf(text: string): number | undefined {
  const match = /^([0-9]{1,8})([numSMH])$/.exec(text);
  const factor = unitMs[match?.[2] ?? ""];
  return match === null || factor === undefined ? undefined : Number(match[1]) * factor;
}

const answerFields = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;
/** The headers of an answer. */
export const answerHead = encodeHeaders(answerFields);

/** The headers of an answer that is no gRPC: what came was not either. */
export const unsupportedHead = encodeHeaders([[":status", "415"]]);

const statusFields = (status: CallStatus): readonly (readonly [string, string])[] => [
  ["grpc-status", String(status.code)],
  ["grpc-message", percentEncoded(status.text)],
];

const okTrailers = encodeHeaders([
  ["grpc-status", "0"],
  ["grpc-message", "OK"],
]);

/** The trailers of a call that ended so; undefined: OK. */
export const trailersOf = (status: CallStatus | undefined): Buffer =>
  status === undefined ? okTrailers : encodeHeaders(statusFields(status));

/** Headers and trailers in one, of a call that ends before it answers anything. */
export const refusalHead = (status: CallStatus | undefined): Buffer =>
  encodeHeaders([...answerFields, ...statusFields(status ?? { code: 0, text: "OK" })]);

const printable = /^[ -$&-~]*$/;

/** Bytes of UTF-8 that are no printable ASCII, and the percent sign, as %XX. */
function percentEncoded(text: string): string {
  if (printable.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
