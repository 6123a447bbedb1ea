/*
 * The health service every gRPC server speaks. The only service name it knows is the server as a whole.
 * Source: grpc.health.v1.
 */
import { rpcCodeNumbers } from "../../../core/index.ts";
import type { Program } from "../calls.ts";

const serving = new Uint8Array([0x08, 0x01]);
/** This service is not known (yet); a watch stays open either way. */
const serviceUnknown = new Uint8Array([0x08, 0x03]);

/** By path. */
export const healthPrograms: ReadonlyMap<string, Program> = new Map<string, Program>([
  [
    "/grpc.health.v1.Health/Check",
    {
      kind: "unary",
      run(bytes, _options, to) {
        if (bytes.length === 0) to.answer(serving);
        else to.fail({ code: rpcCodeNumbers.NOT_FOUND, text: "unknown service" });
        return () => {};
      },
    },
  ],
  [
    "/grpc.health.v1.Health/Watch",
    {
      kind: "stream",
      open: (_options, to) => ({
        message: (bytes) => to.send(bytes.length === 0 ? serving : serviceUnknown, () => {}),
        halfClosed() {},
        gone() {},
      }),
    },
  ],
]);
