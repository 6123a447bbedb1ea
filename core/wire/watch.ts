/*
 * The Watch service: requests on a stream and the replies that come back, between etcd's messages and core's.
 */
import { create } from "@bufbuild/protobuf";
import { watchIdOf } from "../ids.ts";
import type { StreamRequest, WatchEvent, WatchReply } from "../request.ts";
import {
  WatchCreateRequest_FilterType as FilterType,
  WatchCancelRequestSchema,
  WatchCreateRequestSchema,
  WatchProgressRequestSchema,
  WatchRequestSchema,
  WatchResponseSchema,
  type WatchRequest as WireWatchRequest,
  type WatchResponse as WireWatchResponse,
} from "./gen/etcdserverpb/rpc_pb.ts";
import {
  EventSchema,
  Event_EventType as EventType,
  KeyValueSchema,
  type Event as WireEvent,
} from "./gen/mvccpb/kv_pb.ts";
import { int64FromNumber, numberFromInt64 } from "./integers.ts";
import {
  headerFromWire,
  headerToWire,
  keyValueFromWire,
  keyValueToWire,
  rangeEndFromWire,
  rangeEndToWire,
} from "./key-value.ts";

type WatchRequest = Exclude<StreamRequest, { readonly type: "leaseKeepAlive" }>;

/** undefined: nothing is set in the request; such a message is ignored. Unknown filters are ignored too. */
export function watchRequestFromWire(wire: WireWatchRequest): WatchRequest | undefined {
  const union = wire.requestUnion;
  switch (union.case) {
    case "createRequest":
      return {
        type: "watchCreate",
        key: union.value.key,
        rangeEnd: rangeEndFromWire(union.value.rangeEnd),
        startRevision: numberFromInt64(union.value.startRevision),
        progressNotify: union.value.progressNotify,
        noPut: union.value.filters.includes(FilterType.NOPUT),
        noDelete: union.value.filters.includes(FilterType.NODELETE),
        prevKv: union.value.prevKv,
        watchId: watchIdOf(union.value.watchId),
        fragment: union.value.fragment,
      };
    case "cancelRequest":
      return { type: "watchCancel", watchId: watchIdOf(union.value.watchId) };
    case "progressRequest":
      return { type: "watchProgress" };
    default:
      return undefined;
  }
}

export function watchRequestToWire(request: WatchRequest): WireWatchRequest {
  const wire = create(WatchRequestSchema);
  switch (request.type) {
    case "watchCreate": {
      const value = create(WatchCreateRequestSchema);
      value.key = request.key;
      value.rangeEnd = rangeEndToWire(request.rangeEnd);
      value.startRevision = int64FromNumber(request.startRevision);
      value.progressNotify = request.progressNotify;
      if (request.noPut) value.filters.push(FilterType.NOPUT);
      if (request.noDelete) value.filters.push(FilterType.NODELETE);
      value.prevKv = request.prevKv;
      value.watchId = request.watchId;
      value.fragment = request.fragment;
      wire.requestUnion = { case: "createRequest", value };
      break;
    }
    case "watchCancel":
      wire.requestUnion = {
        case: "cancelRequest",
        value: create(WatchCancelRequestSchema, { watchId: request.watchId }),
      };
      break;
    case "watchProgress":
      wire.requestUnion = { case: "progressRequest", value: create(WatchProgressRequestSchema) };
      break;
  }
  return wire;
}

export function watchReplyToWire(reply: WatchReply): WireWatchResponse {
  const wire = create(WatchResponseSchema);
  wire.header = headerToWire(reply.header);
  wire.watchId = reply.watchId;
  wire.created = reply.created;
  wire.canceled = reply.canceled;
  wire.compactRevision = int64FromNumber(reply.compactRevision);
  wire.cancelReason = reply.cancelReason;
  wire.fragment = reply.fragment;
  wire.events = reply.events.map(eventToWire);
  return wire;
}

export const watchReplyFromWire = (wire: WireWatchResponse): WatchReply => ({
  type: "watch",
  header: headerFromWire(wire.header),
  watchId: watchIdOf(wire.watchId),
  created: wire.created,
  canceled: wire.canceled,
  compactRevision: numberFromInt64(wire.compactRevision),
  cancelReason: wire.cancelReason,
  fragment: wire.fragment,
  events: wire.events.map(eventFromWire),
});

function eventToWire(event: WatchEvent): WireEvent {
  const wire = create(EventSchema);
  wire.type = event.type === "put" ? EventType.PUT : EventType.DELETE;
  wire.kv = keyValueToWire(event.keyValue);
  if (event.prevKv !== undefined) wire.prevKv = keyValueToWire(event.prevKv);
  return wire;
}

function eventFromWire(wire: WireEvent): WatchEvent {
  return {
    type: wire.type === EventType.DELETE ? "delete" : "put",
    keyValue: keyValueFromWire(wire.kv ?? create(KeyValueSchema)),
    prevKv: wire.prevKv === undefined ? undefined : keyValueFromWire(wire.prevKv),
  };
}
