/*
 * The Maintenance service, as far as core answers it: Status, HashKV, Alarm, MoveLeader, Downgrade. What Status says of versions and quota
 * is no state of the core: the member's process hands it in.
 */
import { create } from "@bufbuild/protobuf";
import { memberIdOf } from "../ids.ts";
import type {
  AlarmRequest,
  AlarmType,
  Answer,
  DowngradeRequest,
  HashKvRequest,
  Header,
  MoveLeaderRequest,
  StatusRequest,
} from "../request.ts";
import {
  AlarmMemberSchema,
  AlarmRequestSchema,
  AlarmResponseSchema,
  DowngradeInfoSchema,
  type DowngradeRequest_DowngradeAction,
  DowngradeRequestSchema,
  DowngradeResponseSchema,
  HashKVRequestSchema,
  HashKVResponseSchema,
  MoveLeaderRequestSchema,
  MoveLeaderResponseSchema,
  StatusRequestSchema,
  StatusResponseSchema,
  type AlarmRequest as WireAlarmRequest,
  type AlarmResponse as WireAlarmResponse,
  type DowngradeRequest as WireDowngradeRequest,
  type DowngradeResponse as WireDowngradeResponse,
  type HashKVRequest as WireHashKvRequest,
  type HashKVResponse as WireHashKvResponse,
  type MoveLeaderRequest as WireMoveLeaderRequest,
  type MoveLeaderResponse as WireMoveLeaderResponse,
  type StatusRequest as WireStatusRequest,
  type StatusResponse as WireStatusResponse,
} from "./gen/etcdserverpb/rpc_pb.ts";
import { int64FromNumber, numberFromInt64 } from "./integers.ts";
import { headerToWire } from "./key-value.ts";

type AnswerOf<Type extends Answer["type"]> = Extract<Answer, { readonly type: Type }>;

/** What a process says of itself in Status. */
export interface ServerFacts {
  /** Plain semver: clients decide by it which features they may use. */
  readonly version: string;
  readonly storageVersion: string;
  /** Effective quota. */
  readonly quotaBytes: number;
}

const alarmTypes: readonly AlarmType[] = ["none", "noSpace", "corrupt"];
const alarmActions: readonly AlarmRequest["action"][] = ["get", "activate", "deactivate"];

export const statusFromWire = (_wire: WireStatusRequest): StatusRequest => ({ type: "status" });

export const statusToWire = (_request: StatusRequest): WireStatusRequest => create(StatusRequestSchema);

export const statusAnswerToWire = (
  answer: AnswerOf<"status">,
  header: Header,
  facts: ServerFacts,
): WireStatusResponse =>
  create(StatusResponseSchema, {
    header: headerToWire(header),
    version: facts.version,
    // Clients divide by it.
    dbSize: int64FromNumber(Math.max(1, answer.dbSizeBytes)),
    dbSizeInUse: int64FromNumber(answer.dbSizeInUseBytes),
    leader: answer.leaderId ?? 0n,
    raftIndex: int64FromNumber(answer.committedIndex),
    raftTerm: int64FromNumber(answer.raftTerm),
    raftAppliedIndex: int64FromNumber(answer.appliedIndex),
    errors: [...answer.errors],
    isLearner: answer.isLearner,
    storageVersion: facts.storageVersion,
    dbSizeQuota: int64FromNumber(facts.quotaBytes),
    downgradeInfo: create(DowngradeInfoSchema, answer.downgrade ?? {}),
  });

export const statusAnswerFromWire = (wire: WireStatusResponse): AnswerOf<"status"> => ({
  type: "status",
  dbSizeBytes: numberFromInt64(wire.dbSize),
  dbSizeInUseBytes: numberFromInt64(wire.dbSizeInUse),
  leaderId: wire.leader === 0n ? undefined : memberIdOf(wire.leader),
  committedIndex: numberFromInt64(wire.raftIndex),
  appliedIndex: numberFromInt64(wire.raftAppliedIndex),
  raftTerm: numberFromInt64(wire.raftTerm),
  isLearner: wire.isLearner,
  errors: wire.errors,
  ...(wire.downgradeInfo?.enabled === true
    ? { downgrade: { enabled: true, targetVersion: wire.downgradeInfo.targetVersion } }
    : {}),
});

const downgradeActions: readonly DowngradeRequest["action"][] = ["validate", "enable", "cancel"];

export const downgradeFromWire = (wire: WireDowngradeRequest): DowngradeRequest => ({
  type: "downgrade",
  action: downgradeActions[wire.action] ?? "unknown",
  version: wire.version,
});

export const downgradeToWire = ({ action, version }: DowngradeRequest): WireDowngradeRequest => {
  const position = downgradeActions.indexOf(action);
  const number = (position < 0 ? downgradeActions.length : position) as DowngradeRequest_DowngradeAction;
  return create(DowngradeRequestSchema, { action: number, version });
};

export const downgradeAnswerToWire = (answer: AnswerOf<"downgrade">, header: Header): WireDowngradeResponse =>
  create(DowngradeResponseSchema, { header: headerToWire(header), version: answer.version });

export const downgradeAnswerFromWire = (wire: WireDowngradeResponse): AnswerOf<"downgrade"> => ({
  type: "downgrade",
  version: wire.version,
});

export const moveLeaderFromWire = (wire: WireMoveLeaderRequest): MoveLeaderRequest => ({
  type: "moveLeader",
  targetId: memberIdOf(wire.targetID),
});

export const moveLeaderToWire = (request: MoveLeaderRequest): WireMoveLeaderRequest =>
  create(MoveLeaderRequestSchema, { targetID: request.targetId });

/** As in etcd it has a place for a header, and none in it. */
export const moveLeaderAnswerToWire = (): WireMoveLeaderResponse => create(MoveLeaderResponseSchema, {});

export const hashKvFromWire = (wire: WireHashKvRequest): HashKvRequest => ({
  type: "hashKv",
  revision: numberFromInt64(wire.revision),
});

export const hashKvToWire = (request: HashKvRequest): WireHashKvRequest =>
  create(HashKVRequestSchema, { revision: int64FromNumber(request.revision) });

export const hashKvAnswerToWire = (answer: AnswerOf<"hashKv">, header: Header): WireHashKvResponse =>
  create(HashKVResponseSchema, {
    header: headerToWire(header),
    hash: answer.hash,
    compactRevision: int64FromNumber(answer.compactRevision),
    hashRevision: int64FromNumber(answer.hashRevision),
  });

export const hashKvAnswerFromWire = (wire: WireHashKvResponse): AnswerOf<"hashKv"> => ({
  type: "hashKv",
  hash: wire.hash,
  compactRevision: numberFromInt64(wire.compactRevision),
  hashRevision: numberFromInt64(wire.hashRevision),
});

/** Unknown numbers are taken as "get" and "none", which change nothing. */
export const alarmFromWire = (wire: WireAlarmRequest): AlarmRequest => ({
  type: "alarm",
  action: alarmActions[wire.action] ?? "get",
  memberId: memberIdOf(wire.memberID),
  alarm: alarmTypes[wire.alarm] ?? "none",
});

export const alarmToWire = (request: AlarmRequest): WireAlarmRequest => {
  const wire = create(AlarmRequestSchema, { memberID: request.memberId });
  wire.action = alarmActions.indexOf(request.action) as typeof wire.action;
  wire.alarm = alarmTypes.indexOf(request.alarm) as typeof wire.alarm;
  return wire;
};

export const alarmAnswerToWire = (answer: AnswerOf<"alarm">, header: Header): WireAlarmResponse =>
  create(AlarmResponseSchema, {
    header: headerToWire(header),
    alarms: answer.alarms.map((record) => {
      const wire = create(AlarmMemberSchema, { memberID: record.memberId });
      wire.alarm = alarmTypes.indexOf(record.alarm) as typeof wire.alarm;
      return wire;
    }),
  });

export const alarmAnswerFromWire = (wire: WireAlarmResponse): AnswerOf<"alarm"> => ({
  type: "alarm",
  alarms: wire.alarms.map((record) => ({
    memberId: memberIdOf(record.memberID),
    alarm: alarmTypes[record.alarm] ?? "none",
  })),
});
