/*
 * What a member says on a peer port, byte by byte, for tests in which somebody says it who is none.
 */
import { connect } from "node:net";
import { etcdVersion } from "../../chaos/member/version.ts";

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** What a member of this release says first. */
export function greetingOf(ids: { readonly cluster: bigint; readonly from: bigint; readonly to: bigint }): Buffer {
  const text = Buffer.from(etcdVersion);
  const numbers = Buffer.alloc(26);
  numbers.writeBigUInt64LE(ids.cluster, 0);
  numbers.writeBigUInt64LE(ids.from, 8);
  numbers.writeBigUInt64LE(ids.to, 16);
  numbers.writeUInt16LE(text.length, 24);
  return Buffer.concat([Buffer.from("FAULTLINE-PEER 3\r\n"), numbers, text]);
}

export const frameOf = (message: Uint8Array): Buffer =>
  Buffer.concat([uint32(4 + message.length), uint32(message.length), message]);

/** What comes back on a connection that says this, until the other side ends it. */
export function answerTo(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const pieces: Buffer[] = [];
    socket.on("error", () => {});
    socket.on("data", (piece: Buffer) => pieces.push(piece));
    socket.on("close", () => resolve(Buffer.concat(pieces).toString("utf8")));
    socket.write(bytes);
  });
}
