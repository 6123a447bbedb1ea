/*
 * The JSON gateway's paths and the calls behind them, with the messages that turn one into the other.
 * Source: etcd v3 HTTP surface, JSON gateway.
 */
import { type Method, services } from "./services.ts";

/** Below /v3/, and the method of the service named before it. */
const paths: { readonly [service: string]: { readonly [path: string]: string } } = {
  "etcdserverpb.KV": {
    "kv/range": "Range",
    "kv/put": "Put",
    "kv/deleterange": "DeleteRange",
    "kv/txn": "Txn",
    "kv/compaction": "Compact",
  },
  "etcdserverpb.Watch": { watch: "Watch" },
  "etcdserverpb.Lease": {
    "lease/grant": "LeaseGrant",
    "lease/revoke": "LeaseRevoke",
    "lease/keepalive": "LeaseKeepAlive",
    "lease/timetolive": "LeaseTimeToLive",
    "lease/leases": "LeaseLeases",
    "kv/lease/revoke": "LeaseRevoke",
    "kv/lease/timetolive": "LeaseTimeToLive",
    "kv/lease/leases": "LeaseLeases",
  },
  "etcdserverpb.Cluster": {
    "cluster/member/add": "MemberAdd",
    "cluster/member/remove": "MemberRemove",
    "cluster/member/update": "MemberUpdate",
    "cluster/member/list": "MemberList",
    "cluster/member/promote": "MemberPromote",
  },
  "etcdserverpb.Maintenance": {
    "maintenance/alarm": "Alarm",
    "maintenance/status": "Status",
    "maintenance/defragment": "Defragment",
    "maintenance/hash": "Hash",
    "maintenance/hashkv": "HashKV",
    "maintenance/snapshot": "Snapshot",
    "maintenance/transfer-leadership": "MoveLeader",
    "maintenance/downgrade": "Downgrade",
  },
  "etcdserverpb.Auth": {
    "auth/enable": "AuthEnable",
    "auth/disable": "AuthDisable",
    "auth/status": "AuthStatus",
    "auth/authenticate": "Authenticate",
    "auth/user/add": "UserAdd",
    "auth/user/get": "UserGet",
    "auth/user/list": "UserList",
    "auth/user/delete": "UserDelete",
    "auth/user/changepw": "UserChangePassword",
    "auth/user/grant": "UserGrantRole",
    "auth/user/revoke": "UserRevokeRole",
    "auth/role/add": "RoleAdd",
    "auth/role/get": "RoleGet",
    "auth/role/list": "RoleList",
    "auth/role/delete": "RoleDelete",
    "auth/role/grant": "RoleGrantPermission",
    "auth/role/revoke": "RoleRevokePermission",
  },
  "v3lockpb.Lock": { "lock/lock": "Lock", "lock/unlock": "Unlock" },
  "v3electionpb.Election": {
    "election/campaign": "Campaign",
    "election/proclaim": "Proclaim",
    "election/leader": "Leader",
    "election/observe": "Observe",
    "election/resign": "Resign",
  },
};

/** Calls by their path, `/v3/kv/range` and so on. */
export const jsonRoutes: ReadonlyMap<string, Method> = new Map(
  Object.entries(paths).flatMap(([service, methods]) =>
    Object.entries(methods).flatMap(([path, name]): [string, Method][] => {
      const method = services.get(service)?.find((candidate) => candidate.name === name);
      return method === undefined ? [] : [[`/v3/${path}`, method]];
    }),
  ),
);
