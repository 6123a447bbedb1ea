/*
 * auth, user, role. Passwords come from the command line, from standard input, or typed unseen.
 * Source: etcd v3 contract, etcdctl, auth, user, role.
 */
import { type Permission, Permission_Type as PermissionType } from "../../../core/wire/gen/authpb/auth_pb.ts";
import { Auth, type AuthRoleGetResponse } from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { badArguments, CtlError } from "./failure.ts";
import { afterPrefix, type RangeFlags, rangeOf } from "./operands.ts";
import { askUnseen } from "./passwords.ts";
import { fieldLine, headerFields, print, write } from "./print.ts";
import type { Session } from "./session.ts";
import type { Stage } from "./verbs.ts";

export function addAuthVerbs({ program, act }: Stage): void {
  const auth = program.command("auth").description("whether clients have to say who they are");
  auth
    .command("enable")
    .description("from now on they do; root gets its role when it has none")
    .action(() =>
      act(async (session) => {
        const answer = await session.call(Auth.method.authEnable, {}).catch(async (error: unknown) => {
          if (!(error instanceof CtlError) || error.message !== "etcdserver: root user does not have root role")
            throw error;
          await ensureRootRole(session);
          return session.call(Auth.method.authEnable, {});
        });
        print(session.flags.writeOut, answer, {
          simple: () => "Authentication Enabled\n",
          fields: () => headerFields(answer.message.header),
        });
      }),
    );
  auth
    .command("disable")
    .description("from now on they do not")
    .action(() =>
      act(async (session) => {
        const answer = await session.call(Auth.method.authDisable, {});
        print(session.flags.writeOut, answer, {
          simple: () => "Authentication Disabled\n",
          fields: () => headerFields(answer.message.header),
        });
      }),
    );
  auth
    .command("status")
    .description("whether they do")
    .action(() =>
      act(async (session) => {
        const answer = await session.call(Auth.method.authStatus, {});
        const { header, enabled, authRevision } = answer.message;
        print(session.flags.writeOut, answer, {
          simple: () => `Authentication Status: ${enabled}\nAuthRevision: ${authRevision}\n`,
          fields: () => headerFields(header) + fieldLine("Enabled", enabled) + fieldLine("AuthRevision", authRevision),
        });
      }),
    );
}

async function ensureRootRole(session: Session): Promise<void> {
  await session.call(Auth.method.roleAdd, { name: "root" }).catch((error: unknown) => {
    if (!(error instanceof CtlError) || error.message !== "etcdserver: role name already exists") throw error;
  });
  await session.call(Auth.method.userGrantRole, { user: "root", role: "root" });
}

// ---- users -----------------------------------------------------------------------------------------------------

export function addUserVerbs({ program, act }: Stage): void {
  const user = program.command("user").description("users");
  user
    .command("add")
    .description("add a user")
    .argument("<user name or user:password>")
    .option("--interactive [boolean]", "ask for the password; false: read it from standard input", "true")
    .option("--new-user-password <password>", "the password")
    .option("--no-password", "a user known by a certificate alone")
    .action((operand: string, flags: { interactive: string; newUserPassword?: string; password: boolean }) =>
      act(async (session) => {
        const colon = operand.indexOf(":");
        const name = colon < 0 ? operand : operand.slice(0, colon);
        const noPassword = flags.password === false;
        const password = noPassword
          ? ""
          : (flags.newUserPassword ??
            (colon < 0 ? await passwordOf(name, flags.interactive) : operand.slice(colon + 1)));
        if (name === "") throw badArguments("empty user name is not allowed");
        await session.call(Auth.method.userAdd, { name, password, options: { noPassword } });
        write(`User ${name} created\n`);
      }),
    );
  user
    .command("get")
    .description("roles of a user")
    .argument("<user name>")
    .option("--detail", "and what they may")
    .action((name: string, { detail }: { readonly detail?: boolean }) =>
      act(async (session) => {
        const answer = await session.call(Auth.method.userGet, { name });
        const { header, roles } = answer.message;
        if (detail === true) {
          write(`User: ${name}\n`);
          for (const role of roles)
            write(`\n${roleLines(role, (await session.call(Auth.method.roleGet, { role })).message)}`);
          return;
        }
        print(session.flags.writeOut, answer, {
          simple: () => `User: ${name}\nRoles:${roles.map((role) => ` ${role}`).join("")}\n`,
          fields: () => headerFields(header) + roles.map((role) => fieldLine("Role", `"${role}"`)).join(""),
        });
      }),
    );
  user
    .command("list")
    .description("all users")
    .action(() =>
      act(async (session) => {
        const answer = await session.call(Auth.method.userList, {});
        print(session.flags.writeOut, answer, {
          simple: () => answer.message.users.map((name) => `${name}\n`).join(""),
        });
      }),
    );
  user
    .command("delete")
    .description("delete a user")
    .argument("<user name>")
    .action((name: string) =>
      act(async (session) => {
        await session.call(Auth.method.userDelete, { name });
        write(`User ${name} deleted\n`);
      }),
    );
  user
    .command("passwd")
    .description("change a password")
    .argument("<user name>")
    .option("--interactive [boolean]", "ask for the password; false: read it from standard input", "true")
    .action((name: string, { interactive }: { readonly interactive: string }) =>
      act(async (session) => {
        await session.call(Auth.method.userChangePassword, { name, password: await passwordOf(name, interactive) });
        write("Password updated\n");
      }),
    );
  user
    .command("grant-role")
    .description("grant a role to a user")
    .argument("<user name>")
    .argument("<role name>")
    .action((name: string, role: string) =>
      act(async (session) => {
        await session.call(Auth.method.userGrantRole, { user: name, role });
        write(`Role ${role} is granted to user ${name}\n`);
      }),
    );
  user
    .command("revoke-role")
    .description("revoke a role from a user")
    .argument("<user name>")
    .argument("<role name>")
    .action((name: string, role: string) =>
      act(async (session) => {
        await session.call(Auth.method.userRevokeRole, { name, role });
        write(`Role ${role} is revoked from user ${name}\n`);
      }),
    );
}

/** Typed twice unseen at a terminal; one line of standard input otherwise. */
async function passwordOf(name: string, interactive: string): Promise<string> {
  if (interactive === "false" || process.stdin.isTTY !== true) return askUnseen("");
  const password = await askUnseen(`Password of ${name}: `);
  const again = await askUnseen(`Type password of ${name} again for confirmation: `);
  if (password !== again) throw badArguments("given passwords are different");
  return password;
}

// ---- roles -----------------------------------------------------------------------------------------------------

const permissionTypes: { readonly [word: string]: PermissionType } = {
  read: PermissionType.READ,
  write: PermissionType.WRITE,
  readwrite: PermissionType.READWRITE,
};

export function addRoleVerbs({ program, act }: Stage): void {
  const role = program.command("role").description("roles: what users may do");
  role
    .command("add")
    .description("add a role")
    .argument("<role name>")
    .action((name: string) =>
      act(async (session) => {
        await session.call(Auth.method.roleAdd, { name });
        write(`Role ${name} created\n`);
      }),
    );
  role
    .command("delete")
    .description("delete a role")
    .argument("<role name>")
    .action((name: string) =>
      act(async (session) => {
        await session.call(Auth.method.roleDelete, { role: name });
        write(`Role ${name} deleted\n`);
      }),
    );
  role
    .command("get")
    .description("what a role may")
    .argument("<role name>")
    .action((name: string) =>
      act(async (session) => {
        const answer = await session.call(Auth.method.roleGet, { role: name });
        print(session.flags.writeOut, answer, { simple: () => roleLines(name, answer.message) });
      }),
    );
  role
    .command("list")
    .description("all roles")
    .action(() =>
      act(async (session) => {
        const answer = await session.call(Auth.method.roleList, {});
        print(session.flags.writeOut, answer, {
          simple: () => answer.message.roles.map((name) => `${name}\n`).join(""),
        });
      }),
    );
  role
    .command("grant-permission")
    .description("let a role do something to a key, or to a range of keys")
    .argument("<role name>")
    .argument("<permission type>", "read, write or readwrite")
    .argument("<key>")
    .argument("[endkey]")
    .option("--prefix", "every key that begins so")
    .option("--from-key", "every key from this one on")
    .action((name: string, type: string, key: string, end: string | undefined, flags: RangeFlags) =>
      act(async (session) => {
        const permType = permissionTypes[type.toLowerCase()];
        if (permType === undefined)
          throw badArguments(`invalid permission type: ${type}; it is read, write or readwrite`);
        await session.call(Auth.method.roleGrantPermission, { name, perm: { permType, ...rangeOf(key, end, flags) } });
        write(`Role ${name} updated\n`);
      }),
    );
  role
    .command("revoke-permission")
    .description("let a role no longer do anything to exactly that key, or range of keys")
    .argument("<role name>")
    .argument("<key>")
    .argument("[endkey]")
    .option("--prefix", "every key that begins so")
    .option("--from-key", "every key from this one on")
    .action((name: string, key: string, end: string | undefined, flags: RangeFlags) =>
      act(async (session) => {
        const range = rangeOf(key, end, flags);
        await session.call(Auth.method.roleRevokePermission, { role: name, ...range });
        write(`${revokedText(range.key, range.rangeEnd)} is revoked from role ${name}\n`);
      }),
    );
}

const isOpen = (rangeEnd: Uint8Array): boolean => rangeEnd.length === 1 && rangeEnd[0] === 0;
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

function revokedText(key: Uint8Array, rangeEnd: Uint8Array): string {
  if (rangeEnd.length === 0) return `Permission of key ${textOf(key)}`;
  return `Permission of range [${textOf(key)}, ${isOpen(rangeEnd) ? "<open ended>" : `${textOf(rangeEnd)})`}`;
}

function roleLines(name: string, { perm }: AuthRoleGetResponse): string {
  const lines = (...types: PermissionType[]): string =>
    perm
      .filter(({ permType }) => types.includes(permType))
      .map((each) => `\t${permissionText(each)}\n`)
      .join("");
  return (
    `Role ${name}\n` +
    `KV Read:\n${lines(PermissionType.READ, PermissionType.READWRITE)}` +
    `KV Write:\n${lines(PermissionType.WRITE, PermissionType.READWRITE)}`
  );
}

function permissionText({ key, rangeEnd }: Permission): string {
  if (rangeEnd.length === 0) return textOf(key);
  if (isOpen(rangeEnd)) return `[${textOf(key)}, <open ended>`;
  const prefix = Buffer.compare(afterPrefix(key), rangeEnd) === 0 ? ` (prefix ${textOf(key)})` : "";
  return `[${textOf(key)}, ${textOf(rangeEnd)})${prefix}`;
}
