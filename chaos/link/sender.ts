/*
 * Which member's process dialled a connection that a proxy accepted. The kernel knows: the dialling end's address is a
 * row of /proc/net/tcp with the socket's inode, and the process that holds that inode has it among its open files. So
 * it works for any server, plain or TLS, without looking at a byte. Linux only; elsewhere nobody is recognised.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Both ends of a connection as the dialling side sees them; IPv4 only. */
export interface DialledConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** Why senders cannot be told apart on this machine; undefined when they can. */
export function whySendersAreUnknown(): string | undefined {
  try {
    readFileSync("/proc/net/tcp", "utf8");
    return undefined;
  } catch {
    return "links cannot be told apart: this system has no /proc/net/tcp";
  }
}

/**
 * @param processes by name; those without a process are skipped
 * @returns the name whose process holds the dialling socket; undefined when it is none of them, or is gone already
 */
export function senderOf(
  connection: DialledConnection,
  processes: readonly { readonly name: string; readonly pid: number | undefined }[],
): string | undefined {
  const inode = inodeOf(connection);
  if (inode === undefined) return undefined;
  const wanted = `socket:[${inode}]`;
  for (const { name, pid } of processes) if (pid !== undefined && holds(pid, wanted)) return name;
  return undefined;
}

function inodeOf(connection: DialledConnection): string | undefined {
  const local = hexAddress(connection.localAddress, connection.localPort);
  const remote = hexAddress(connection.remoteAddress, connection.remotePort);
  let table: string;
  try {
    table = readFileSync("/proc/net/tcp", "utf8");
  } catch {
    return undefined;
  }
  for (const line of table.split("\n")) {
    if (!line.includes(local)) continue;
    const fields = line.trim().split(/\s+/);
    if (fields[1] === local && fields[2] === remote && fields[9] !== "0") return fields[9];
  }
  return undefined;
}

/** The kernel's form: bytes of the address in machine order, upper-case hex, then the port. */
function hexAddress(address: string, port: number): string {
  const bytes = address.replace(/^::ffff:/, "").split(".");
  const hex = bytes
    .reverse()
    .map((byte) => Number(byte).toString(16).padStart(2, "0"))
    .join("");
  return `${hex}:${port.toString(16).padStart(4, "0")}`.toUpperCase();
}

function holds(pid: number, wanted: string): boolean {
  let files: string[];
  try {
    files = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return false;
  }
  return files.some((file) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${file}`) === wanted;
    } catch {
      return false; // closed between the two looks
    }
  });
}
