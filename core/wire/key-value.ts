/*
 * What every service shares: the response header and the stored key, between core's plain data and etcd's messages.
 * Source: etcd v3 API, ResponseHeader and mvccpb.KeyValue.
 */
import { create } from "@bufbuild/protobuf";
import { emptyBytes } from "../bytes.ts";
import { clusterIdOf, leaseIdOf, memberIdOf, type Revision, revisionOf, termOf } from "../ids.ts";
import type { Header, KeyValue } from "../request.ts";
import { ResponseHeaderSchema, type ResponseHeader as WireHeader } from "./gen/etcdserverpb/rpc_pb.ts";
import { KeyValueSchema, type KeyValue as WireKeyValue } from "./gen/mvccpb/kv_pb.ts";
import { int64FromNumber, numberFromInt64 } from "./integers.ts";

/** The header of a complete answer. */
export function headerToWire(header: Header): WireHeader {
  const wire = create(ResponseHeaderSchema);
  wire.clusterId = header.clusterId;
  wire.memberId = header.memberId;
  wire.revision = int64FromNumber(header.revision);
  wire.raftTerm = int64FromNumber(header.raftTerm);
  return wire;
}

/** The header of an answer inside a transaction: it carries a revision and nothing else. */
export function innerHeaderToWire(revision: Revision): WireHeader {
  const wire = create(ResponseHeaderSchema);
  wire.revision = int64FromNumber(revision);
  return wire;
}

/** An absent header is one of zeros. */
export const headerFromWire = (wire: WireHeader | undefined): Header => ({
  clusterId: clusterIdOf(wire?.clusterId ?? 0n),
  memberId: memberIdOf(wire?.memberId ?? 0n),
  revision: revisionOf(numberFromInt64(wire?.revision ?? 0n)),
  raftTerm: termOf(numberFromInt64(wire?.raftTerm ?? 0n)),
});

export function keyValueToWire(keyValue: KeyValue): WireKeyValue {
  const wire = create(KeyValueSchema);
  wire.key = keyValue.key;
  wire.createRevision = int64FromNumber(keyValue.createRevision);
  wire.modRevision = int64FromNumber(keyValue.modRevision);
  wire.version = int64FromNumber(keyValue.version);
  wire.value = keyValue.value;
  wire.lease = keyValue.lease;
  return wire;
}

export const keyValueFromWire = (wire: WireKeyValue): KeyValue => ({
  key: wire.key,
  createRevision: revisionOf(numberFromInt64(wire.createRevision)),
  modRevision: revisionOf(numberFromInt64(wire.modRevision)),
  version: numberFromInt64(wire.version),
  value: wire.value,
  lease: leaseIdOf(wire.lease),
});

/** On the wire an empty range end means none, also where the field is present with length 0. */
export const rangeEndFromWire = (rangeEnd: Uint8Array): Uint8Array | undefined =>
  rangeEnd.length === 0 ? undefined : rangeEnd;

export const rangeEndToWire = (rangeEnd: Uint8Array | undefined): Uint8Array => rangeEnd ?? emptyBytes;
