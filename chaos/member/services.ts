/*
 * Every service a client port offers, with its methods: those nobody serves are known too, and refused by name.
 */
import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { file_etcdserverpb_rpc } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { file_faultlinepb_cluster } from "../../core/wire/gen/faultlinepb/cluster_pb.ts";
import { file_v3electionpb_election } from "../../core/wire/gen/v3electionpb/election_pb.ts";
import { file_v3lockpb_lock } from "../../core/wire/gen/v3lockpb/lock_pb.ts";

export interface Method {
  /** gRPC path. */
  readonly path: string;
  readonly name: string;
  readonly kind: DescMethod["methodKind"];
  readonly input: DescMessage;
  readonly output: DescMessage;
}

/** Methods by the name of their service. */
export const services: ReadonlyMap<string, readonly Method[]> = new Map(
  [file_etcdserverpb_rpc, file_v3lockpb_lock, file_v3electionpb_election, file_faultlinepb_cluster].flatMap((file) =>
    file.services.map((service): [string, readonly Method[]] => [
      service.typeName,
      service.methods.map(({ name, methodKind: kind, input, output }) => ({
        path: `/${service.typeName}/${name}`,
        name,
        kind,
        input,
        output,
      })),
    ]),
  ),
);
