/*
 * The health service every gRPC server speaks. The only service name it knows is the server as a whole.
 * Source: grpc.health.v1.
 */
import { rpcCodeNumbers } from "../../../core/index.ts";
import type { Program } from "../calls.ts";
import type { CallStatus } from "../seam.ts";

const serving = new Uint8Array([0x08, 0x01]);
/** This service is not known (yet); a watch stays open either way. */
const serviceUnknown = new Uint8Array([0x08, 0x03]);

/**
 * By path.
 *
 * @param refusal why this server answers no question at all now, as a learner does
 */
export const healthPrograms = (refusal: () => CallStatus | undefined): ReadonlyMap<string, Program> =>
  new Map<string, Program>([
    [
      "/grpc.health.v1.Health/Check",
      {
        kind: "unary",
        run(bytes, _options, to) {
          const refused = refusal();
          if (refused !== undefined) to.fail(refused);
          else if (bytes.length === 0) to.answer(serving);
          else to.fail({ code: rpcCodeNumbers.NOT_FOUND, text: "unknown service" });
          return () => {};
        },
      },
    ],
    [
      "/grpc.health.v1.Health/Watch",
      {
        kind: "stream",
        open(_options, to) {
          const refused = refusal();
          if (refused !== undefined) {
            to.end(refused);
            return undefined;
          }
          return {
            message: (bytes) => to.send(bytes.length === 0 ? serving : serviceUnknown, () => {}),
            halfClosed() {},
            gone() {},
          };
        },
      },
    ],
  ]);
