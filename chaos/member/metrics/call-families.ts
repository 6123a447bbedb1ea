/*
 * Calls of clients, as the meter counted them, under the names gRPC's own metrics have, and those that etcd counts apart
 * because of what they do. Source: etcd v3 HTTP surface, §5.1, §5.3 and §5.5.
 */
import { rpcCodeNumbers } from "../../../core/index.ts";
import type { CallCounts, CallMeter, HandledCall } from "../call-meter.ts";
import { type Family, histogram, labelled, plain, powers, type Sample, Tally, TallyTable } from "./exposition.ts";

/** OK and every other code by the name gRPC's own metrics use. */
const codeNames: ReadonlyMap<number, string> = new Map([
  [0, "OK"],
  ...Object.entries(rpcCodeNumbers).map(([name, code]): [number, string] => [
    code,
    name === "CANCELLED"
      ? "Canceled"
      : name.toLowerCase().replace(/(^|_)(.)/g, (_all, _line, letter) => letter.toUpperCase()),
  ]),
]);

const handlingBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const service = "/etcdserverpb.";

export class CallFamilies {
  readonly #calls: () => CallMeter;
  readonly #handling: TallyTable | undefined;
  readonly #ranges = new TallyTable(powers(0.0001, 2, 20), ["success"]);
  readonly #hashes = new Tally(powers(0.01, 2, 15));
  readonly #keyHashes = new Tally(powers(0.01, 2, 15));
  readonly #promotions = { successes: 0, failures: new Map<string, number>() };

  /** @param options.extensive also how long each call of a client takes, by method */
  constructor(options: { readonly calls: () => CallMeter; readonly extensive: boolean }) {
    this.#calls = options.calls;
    if (options.extensive)
      this.#handling = new TallyTable(handlingBounds, ["grpc_service", "grpc_method", "grpc_type"]);
  }

  /** Takes a call that ended. */
  readonly note = ({ path, kind, code, text, seconds }: HandledCall): void => {
    if (this.#handling !== undefined) {
      const [, owner = "", method = ""] = path.split("/");
      this.#handling.of(owner, method, kind).observe(seconds);
    }
    switch (path) {
      case `${service}KV/Range`:
        this.#ranges.of(String(code === 0)).observe(seconds);
        return;
      case `${service}Maintenance/Hash`:
        this.#hashes.observe(seconds);
        return;
      case `${service}Maintenance/HashKV`:
        this.#keyHashes.observe(seconds);
        return;
      case `${service}Cluster/MemberPromote`:
        if (code === 0) this.#promotions.successes += 1;
        else this.#promotions.failures.set(text, (this.#promotions.failures.get(text) ?? 0) + 1);
        return;
    }
  };

  get families(): readonly Family[] {
    const calls = this.#calls;
    const { failures } = this.#promotions;
    const perMethod = (name: string, help: string, of: "started" | "received" | "sent"): Family =>
      labelled("counter", name, help, () => eachMethod(calls(), (counts) => [{ value: counts[of] }]));
    return [
      perMethod("grpc_server_started_total", "Calls begun.", "started"),
      perMethod("grpc_server_msg_received_total", "Messages received.", "received"),
      perMethod("grpc_server_msg_sent_total", "Messages sent.", "sent"),
      labelled("counter", "grpc_server_handled_total", "Calls ended, by status.", () =>
        eachMethod(calls(), (counts) =>
          [...codeNames].map(([code, name]) => ({
            labels: { grpc_code: name },
            value: counts.handled.get(code) ?? 0,
          })),
        ),
      ),
      labelled(
        "counter",
        "etcd_server_client_requests_total",
        "Calls begun, by what the client said its API version is.",
        () =>
          (["unary", "stream"] as const).flatMap((type) =>
            [...calls().requests[type]].map(([version, value]) => ({
              labels: { type, client_api_version: version },
              value,
            })),
          ),
      ),
      plain(
        "counter",
        "etcd_network_client_grpc_received_bytes_total",
        "Bytes of messages from clients.",
        () => calls().bytesReceived,
      ),
      plain(
        "counter",
        "etcd_network_client_grpc_sent_bytes_total",
        "Bytes of messages to clients.",
        () => calls().bytesSent,
      ),
      labelled("counter", "etcd_network_server_stream_failures_total", "Streams that broke off, by what failed.", () =>
        (["watch", "lease-keepalive"] as const).flatMap((API) =>
          (["receive", "send"] as const).map((Type) => ({
            labels: { Type, API },
            value: calls().streamFailures[API][Type],
          })),
        ),
      ),
      this.#ranges.family("etcd_server_range_duration_seconds", "Time of a range, its proof of leadership included."),
      histogram("etcd_mvcc_hash_duration_seconds", "Time of a hash of the backend.", this.#hashes),
      histogram("etcd_mvcc_hash_rev_duration_seconds", "Time of a hash of the keys' history.", this.#keyHashes),
      plain("counter", "etcd_server_learner_promote_successes", "Learners promoted.", () => this.#promotions.successes),
      labelled("counter", "etcd_server_learner_promote_failures", "Promotions refused.", () =>
        [...failures].map(([Reason, value]) => ({ labels: { Reason }, value })),
      ),
      ...(this.#handling === undefined
        ? []
        : [
            this.#handling.family("grpc_server_handling_seconds", "Time of a call, from its first byte to its status."),
          ]),
    ];
  }
}

/** Every method's samples, each labelled with the method. */
function* eachMethod(calls: CallMeter, samplesOf: (counts: CallCounts) => readonly Sample[]): Iterable<Sample> {
  for (const [path, counts] of calls.counts) {
    const [, owner = "", method = ""] = path.split("/");
    const labels = { grpc_service: owner, grpc_method: method, grpc_type: counts.kind };
    for (const sample of samplesOf(counts)) yield { ...sample, labels: { ...labels, ...sample.labels } };
  }
}
