/*
 * The Auth service as rows for calls.ts: users, roles, permissions, and the tokens that passwords are exchanged for.
 * etcd's messages name one thing in several ways (`name`, `user`, `role`); here a user is `name` and a role `role`.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { AuthAnswer, AuthRequest, Header, Permission, PermissionType } from "../request.ts";
import {
  PermissionSchema,
  type Permission as WirePermission,
  Permission_Type as WireType,
} from "./gen/authpb/auth_pb.ts";
import * as rpc from "./gen/etcdserverpb/rpc_pb.ts";
import { int64FromNumber, numberFromInt64 } from "./integers.ts";
import { headerToWire, rangeEndFromWire, rangeEndToWire } from "./key-value.ts";

type RequestOf<Type extends AuthRequest["type"]> = Extract<AuthRequest, { readonly type: Type }>;
type AnswerOf<Type extends AuthAnswer["type"]> = Extract<AuthAnswer, { readonly type: Type }>;

/** An answer that says nothing but its header. */
const bare = <Type extends AuthAnswer["type"]>(type: Type) => ({
  type,
  answerFromWire: (): { readonly type: Type } => ({ type }),
});

/** An answer with nothing but its header, on the wire. */
const headed = (header: Header): { header: ReturnType<typeof headerToWire> } => ({ header: headerToWire(header) });

export const authEnable = {
  ...bare("authEnable"),
  path: "/etcdserverpb.Auth/AuthEnable",
  input: rpc.AuthEnableRequestSchema,
  output: rpc.AuthEnableResponseSchema,
  requestFromWire: () => ({ type: "authEnable" as const }),
  requestToWire: () => create(rpc.AuthEnableRequestSchema),
  answerToWire: (_answer: AnswerOf<"authEnable">, header: Header) =>
    create(rpc.AuthEnableResponseSchema, headed(header)),
};

export const authDisable = {
  ...bare("authDisable"),
  path: "/etcdserverpb.Auth/AuthDisable",
  input: rpc.AuthDisableRequestSchema,
  output: rpc.AuthDisableResponseSchema,
  requestFromWire: () => ({ type: "authDisable" as const }),
  requestToWire: () => create(rpc.AuthDisableRequestSchema),
  answerToWire: (_answer: AnswerOf<"authDisable">, header: Header) =>
    create(rpc.AuthDisableResponseSchema, headed(header)),
};

export const authStatus = {
  type: "authStatus" as const,
  path: "/etcdserverpb.Auth/AuthStatus",
  input: rpc.AuthStatusRequestSchema,
  output: rpc.AuthStatusResponseSchema,
  requestFromWire: () => ({ type: "authStatus" as const }),
  requestToWire: () => create(rpc.AuthStatusRequestSchema),
  answerToWire: (answer: AnswerOf<"authStatus">, header: Header) =>
    create(rpc.AuthStatusResponseSchema, {
      ...headed(header),
      enabled: answer.enabled,
      authRevision: int64FromNumber(answer.authRevision),
    }),
  answerFromWire: (wire: rpc.AuthStatusResponse): AnswerOf<"authStatus"> => ({
    type: "authStatus",
    enabled: wire.enabled,
    authRevision: numberFromInt64(wire.authRevision),
  }),
};

export const authenticate = {
  type: "authenticate" as const,
  path: "/etcdserverpb.Auth/Authenticate",
  input: rpc.AuthenticateRequestSchema,
  output: rpc.AuthenticateResponseSchema,
  requestFromWire: (wire: rpc.AuthenticateRequest): RequestOf<"authenticate"> => ({
    type: "authenticate",
    name: wire.name,
    password: wire.password,
  }),
  requestToWire: ({ name, password }: RequestOf<"authenticate">) =>
    create(rpc.AuthenticateRequestSchema, { name, password }),
  answerToWire: (answer: AnswerOf<"authenticate">, header: Header) =>
    create(rpc.AuthenticateResponseSchema, { ...headed(header), token: answer.token }),
  /** Who it is for is not on the wire. */
  answerFromWire: (wire: rpc.AuthenticateResponse): AnswerOf<"authenticate"> => ({
    type: "authenticate",
    token: wire.token,
    user: "",
    authRevision: 0,
  }),
};

// ---- users -----------------------------------------------------------------------------------------------------

export const userAdd = {
  ...bare("userAdd"),
  path: "/etcdserverpb.Auth/UserAdd",
  input: rpc.AuthUserAddRequestSchema,
  output: rpc.AuthUserAddResponseSchema,
  requestFromWire: (wire: rpc.AuthUserAddRequest): RequestOf<"userAdd"> => ({
    type: "userAdd",
    name: wire.name,
    password: wire.password,
    noPassword: wire.options?.noPassword ?? false,
  }),
  requestToWire({ name, password, noPassword }: RequestOf<"userAdd">) {
    const fields: MessageInitShape<typeof rpc.AuthUserAddRequestSchema> = { name, password };
    return create(rpc.AuthUserAddRequestSchema, noPassword ? { ...fields, options: { noPassword } } : fields);
  },
  answerToWire: (_answer: AnswerOf<"userAdd">, header: Header) => create(rpc.AuthUserAddResponseSchema, headed(header)),
};

export const userGet = {
  type: "userGet" as const,
  path: "/etcdserverpb.Auth/UserGet",
  input: rpc.AuthUserGetRequestSchema,
  output: rpc.AuthUserGetResponseSchema,
  requestFromWire: ({ name }: rpc.AuthUserGetRequest): RequestOf<"userGet"> => ({ type: "userGet", name }),
  requestToWire: ({ name }: RequestOf<"userGet">) => create(rpc.AuthUserGetRequestSchema, { name }),
  answerToWire: ({ roles }: AnswerOf<"userGet">, header: Header) =>
    create(rpc.AuthUserGetResponseSchema, { ...headed(header), roles: [...roles] }),
  answerFromWire: ({ roles }: rpc.AuthUserGetResponse): AnswerOf<"userGet"> => ({ type: "userGet", roles }),
};

export const userList = {
  type: "userList" as const,
  path: "/etcdserverpb.Auth/UserList",
  input: rpc.AuthUserListRequestSchema,
  output: rpc.AuthUserListResponseSchema,
  requestFromWire: () => ({ type: "userList" as const }),
  requestToWire: () => create(rpc.AuthUserListRequestSchema),
  answerToWire: ({ names }: AnswerOf<"userList">, header: Header) =>
    create(rpc.AuthUserListResponseSchema, { ...headed(header), users: [...names] }),
  answerFromWire: ({ users }: rpc.AuthUserListResponse): AnswerOf<"userList"> => ({ type: "userList", names: users }),
};

export const userDelete = {
  ...bare("userDelete"),
  path: "/etcdserverpb.Auth/UserDelete",
  input: rpc.AuthUserDeleteRequestSchema,
  output: rpc.AuthUserDeleteResponseSchema,
  requestFromWire: ({ name }: rpc.AuthUserDeleteRequest): RequestOf<"userDelete"> => ({ type: "userDelete", name }),
  requestToWire: ({ name }: RequestOf<"userDelete">) => create(rpc.AuthUserDeleteRequestSchema, { name }),
  answerToWire: (_answer: AnswerOf<"userDelete">, header: Header) =>
    create(rpc.AuthUserDeleteResponseSchema, headed(header)),
};

export const userChangePassword = {
  ...bare("userChangePassword"),
  path: "/etcdserverpb.Auth/UserChangePassword",
  input: rpc.AuthUserChangePasswordRequestSchema,
  output: rpc.AuthUserChangePasswordResponseSchema,
  requestFromWire: (wire: rpc.AuthUserChangePasswordRequest): RequestOf<"userChangePassword"> => ({
    type: "userChangePassword",
    name: wire.name,
    password: wire.password,
  }),
  requestToWire: ({ name, password }: RequestOf<"userChangePassword">) =>
    create(rpc.AuthUserChangePasswordRequestSchema, { name, password }),
  answerToWire: (_answer: AnswerOf<"userChangePassword">, header: Header) =>
    create(rpc.AuthUserChangePasswordResponseSchema, headed(header)),
};

export const userGrantRole = {
  ...bare("userGrantRole"),
  path: "/etcdserverpb.Auth/UserGrantRole",
  input: rpc.AuthUserGrantRoleRequestSchema,
  output: rpc.AuthUserGrantRoleResponseSchema,
  requestFromWire: (wire: rpc.AuthUserGrantRoleRequest): RequestOf<"userGrantRole"> => ({
    type: "userGrantRole",
    name: wire.user,
    role: wire.role,
  }),
  requestToWire: ({ name, role }: RequestOf<"userGrantRole">) =>
    create(rpc.AuthUserGrantRoleRequestSchema, { user: name, role }),
  answerToWire: (_answer: AnswerOf<"userGrantRole">, header: Header) =>
    create(rpc.AuthUserGrantRoleResponseSchema, headed(header)),
};

export const userRevokeRole = {
  ...bare("userRevokeRole"),
  path: "/etcdserverpb.Auth/UserRevokeRole",
  input: rpc.AuthUserRevokeRoleRequestSchema,
  output: rpc.AuthUserRevokeRoleResponseSchema,
  requestFromWire: ({ name, role }: rpc.AuthUserRevokeRoleRequest): RequestOf<"userRevokeRole"> => ({
    type: "userRevokeRole",
    name,
    role,
  }),
  requestToWire: ({ name, role }: RequestOf<"userRevokeRole">) =>
    create(rpc.AuthUserRevokeRoleRequestSchema, { name, role }),
  answerToWire: (_answer: AnswerOf<"userRevokeRole">, header: Header) =>
    create(rpc.AuthUserRevokeRoleResponseSchema, headed(header)),
};

// ---- roles -----------------------------------------------------------------------------------------------------

export const roleAdd = {
  ...bare("roleAdd"),
  path: "/etcdserverpb.Auth/RoleAdd",
  input: rpc.AuthRoleAddRequestSchema,
  output: rpc.AuthRoleAddResponseSchema,
  requestFromWire: ({ name }: rpc.AuthRoleAddRequest): RequestOf<"roleAdd"> => ({ type: "roleAdd", role: name }),
  requestToWire: ({ role }: RequestOf<"roleAdd">) => create(rpc.AuthRoleAddRequestSchema, { name: role }),
  answerToWire: (_answer: AnswerOf<"roleAdd">, header: Header) => create(rpc.AuthRoleAddResponseSchema, headed(header)),
};

export const roleGet = {
  type: "roleGet" as const,
  path: "/etcdserverpb.Auth/RoleGet",
  input: rpc.AuthRoleGetRequestSchema,
  output: rpc.AuthRoleGetResponseSchema,
  requestFromWire: ({ role }: rpc.AuthRoleGetRequest): RequestOf<"roleGet"> => ({ type: "roleGet", role }),
  requestToWire: ({ role }: RequestOf<"roleGet">) => create(rpc.AuthRoleGetRequestSchema, { role }),
  answerToWire: ({ permissions }: AnswerOf<"roleGet">, header: Header) =>
    create(rpc.AuthRoleGetResponseSchema, { ...headed(header), perm: permissions.map(permissionToWire) }),
  answerFromWire: ({ perm }: rpc.AuthRoleGetResponse): AnswerOf<"roleGet"> => ({
    type: "roleGet",
    permissions: perm.flatMap((wire) => permissionFromWire(wire) ?? []),
  }),
};

export const roleList = {
  type: "roleList" as const,
  path: "/etcdserverpb.Auth/RoleList",
  input: rpc.AuthRoleListRequestSchema,
  output: rpc.AuthRoleListResponseSchema,
  requestFromWire: () => ({ type: "roleList" as const }),
  requestToWire: () => create(rpc.AuthRoleListRequestSchema),
  answerToWire: ({ names }: AnswerOf<"roleList">, header: Header) =>
    create(rpc.AuthRoleListResponseSchema, { ...headed(header), roles: [...names] }),
  answerFromWire: ({ roles }: rpc.AuthRoleListResponse): AnswerOf<"roleList"> => ({ type: "roleList", names: roles }),
};

export const roleDelete = {
  ...bare("roleDelete"),
  path: "/etcdserverpb.Auth/RoleDelete",
  input: rpc.AuthRoleDeleteRequestSchema,
  output: rpc.AuthRoleDeleteResponseSchema,
  requestFromWire: ({ role }: rpc.AuthRoleDeleteRequest): RequestOf<"roleDelete"> => ({ type: "roleDelete", role }),
  requestToWire: ({ role }: RequestOf<"roleDelete">) => create(rpc.AuthRoleDeleteRequestSchema, { role }),
  answerToWire: (_answer: AnswerOf<"roleDelete">, header: Header) =>
    create(rpc.AuthRoleDeleteResponseSchema, headed(header)),
};

export const roleGrantPermission = {
  ...bare("roleGrantPermission"),
  path: "/etcdserverpb.Auth/RoleGrantPermission",
  input: rpc.AuthRoleGrantPermissionRequestSchema,
  output: rpc.AuthRoleGrantPermissionResponseSchema,
  requestFromWire: ({ name, perm }: rpc.AuthRoleGrantPermissionRequest): RequestOf<"roleGrantPermission"> => ({
    type: "roleGrantPermission",
    role: name,
    permission: perm === undefined ? undefined : permissionFromWire(perm),
  }),
  requestToWire({ role, permission }: RequestOf<"roleGrantPermission">) {
    const wire = create(rpc.AuthRoleGrantPermissionRequestSchema, { name: role });
    if (permission !== undefined) wire.perm = permissionToWire(permission);
    return wire;
  },
  answerToWire: (_answer: AnswerOf<"roleGrantPermission">, header: Header) =>
    create(rpc.AuthRoleGrantPermissionResponseSchema, headed(header)),
};

export const roleRevokePermission = {
  ...bare("roleRevokePermission"),
  path: "/etcdserverpb.Auth/RoleRevokePermission",
  input: rpc.AuthRoleRevokePermissionRequestSchema,
  output: rpc.AuthRoleRevokePermissionResponseSchema,
  requestFromWire: (wire: rpc.AuthRoleRevokePermissionRequest): RequestOf<"roleRevokePermission"> => ({
    type: "roleRevokePermission",
    role: wire.role,
    key: wire.key,
    rangeEnd: rangeEndFromWire(wire.rangeEnd),
  }),
  requestToWire: ({ role, key, rangeEnd }: RequestOf<"roleRevokePermission">) =>
    create(rpc.AuthRoleRevokePermissionRequestSchema, { role, key, rangeEnd: rangeEndToWire(rangeEnd) }),
  answerToWire: (_answer: AnswerOf<"roleRevokePermission">, header: Header) =>
    create(rpc.AuthRoleRevokePermissionResponseSchema, headed(header)),
};

// ---- permissions -----------------------------------------------------------------------------------------------

const wireTypes = { read: WireType.READ, write: WireType.WRITE, readWrite: WireType.READWRITE } as const;
/** Position is the number on the wire. */
const types: readonly PermissionType[] = ["read", "write", "readWrite"];

const permissionToWire = ({ type, key, rangeEnd }: Permission): WirePermission =>
  create(PermissionSchema, { permType: wireTypes[type], key, rangeEnd: rangeEndToWire(rangeEnd) });

/** A kind of permission that nobody knows grants nothing: it counts as left out. */
function permissionFromWire({ permType, key, rangeEnd }: WirePermission): Permission | undefined {
  const type = types[permType];
  return type === undefined ? undefined : { type, key, rangeEnd: rangeEndFromWire(rangeEnd) };
}
