/*
 * Every flag etcd has, and what this member does with it: `used`, or `fixed` at the value it has without the flag.
 * A fixed flag may be given with that value; another value is refused rather than passed over in silence.
 * Source: etcd configuration, flags of release 3.6; those of older releases that are gone are unknown here too.
 */

export type FlagKind = "text" | "switch" | "whole" | "duration" | "list";

export interface FlagRow {
  readonly kind: FlagKind;
  readonly standard: string;
  readonly support: "used" | "fixed";
  /** For the help text; of a fixed flag, why there is no other value and what to do instead. */
  readonly meaning: string;
}

const used = (kind: FlagKind, standard: string, meaning: string): FlagRow => ({
  kind,
  standard,
  support: "used",
  meaning,
});
/** @param why there is no other value here, and what to do instead */
const fixed = (kind: FlagKind, standard: string, why: string): FlagRow => ({
  kind,
  standard,
  support: "fixed",
  meaning: why,
});

const noOldDiscovery =
  "it would need a server of API v2; put the size into any etcd and give --discovery-token and --discovery-endpoints";
const noTracer = "there is no tracer; --metrics=extensive tells how long calls take";

export const flagTable = {
  // Member.
  name: used("text", "default", "Name of this member; it must match its entry in --initial-cluster."),
  "data-dir": used("text", "", "Data directory; empty: <name>.etcd in the working directory."),
  "wal-dir": used("text", "", "Directory for the log alone, on a disk of its own; empty: in the data directory."),
  "snapshot-count": used("whole", "10000", "Applied entries between two compactions of the log."),
  "snapshot-catchup-entries": used("whole", "5000", "Entries kept behind a compaction for slow followers."),
  "heartbeat-interval": used("whole", "100", "Milliseconds between heartbeats; one Raft tick."),
  "election-timeout": used("whole", "1000", "Milliseconds without a leader before an election; 5 heartbeats at least."),
  "initial-election-tick-advance": used(
    "switch",
    "true",
    "A member that is alone elects itself as soon as nobody else is found; without it, after an election timeout, as all do.",
  ),
  "listen-peer-urls": used("list", "http://localhost:2380", "URLs to listen on for other members."),
  "listen-client-urls": used("list", "http://localhost:2379", "URLs to listen on for clients: gRPC and HTTP."),
  "listen-client-http-urls": used(
    "list",
    "",
    "URLs to serve HTTP on, apart from gRPC; --listen-client-urls then serves gRPC alone.",
  ),
  "max-snapshots": used("whole", "5", "Most snapshot files to keep; none are kept here, so it always holds."),
  "max-wals": used("whole", "5", "Most log files to keep that no recovery needs; none of those are kept here."),
  "quota-backend-bytes": used(
    "whole",
    "0",
    "Size of the backend at which writes are refused; 0: 2 GiB, below 0: none.",
  ),
  "backend-batch-interval": used("duration", "", "Longest time before the backend commits; empty: 100ms."),
  "backend-batch-limit": used("whole", "0", "Most writes before the backend commits; 0: 10000."),
  "backend-bbolt-freelist-type": used(
    "text",
    "map",
    "array or map: how bbolt would keep its free pages; this is LMDB.",
  ),
  "max-txn-ops": used("whole", "128", "Most operations in a transaction."),
  "max-request-bytes": used("whole", "1572864", "Largest request that is replicated, in bytes."),
  "max-concurrent-streams": used("whole", "4294967295", "Most open calls on one client connection."),
  "grpc-keepalive-min-time": used(
    "duration",
    "5s",
    "Least time between keep-alive probes of a client with calls open; one that sends many sooner is disconnected. 0: 5m.",
  ),
  "grpc-keepalive-interval": used("duration", "2h", "Idle time after which a client connection is probed; 0: never."),
  "grpc-keepalive-timeout": used("duration", "20s", "Time after which an unanswered probe closes the connection."),
  "socket-reuse-port": fixed(
    "switch",
    "false",
    "this runtime cannot share a port between processes; give each member its own",
  ),
  "socket-reuse-address": used(
    "switch",
    "false",
    "Listen on an address whose last connections are not quite gone; always done.",
  ),
  "enable-grpc-gateway": used("switch", "true", "Serve the API as JSON below /v3 too."),
  "raft-read-timeout": used(
    "duration",
    "5s",
    "Time after which a connection of another member that brings nothing is closed; 5s at least.",
  ),
  "raft-write-timeout": used(
    "duration",
    "5s",
    "Time after which a connection to another member that takes nothing is closed; 5s at least.",
  ),
  "memory-mlock": fixed("switch", "false", "this runtime cannot lock its memory; turn swap off on the machine"),
  "feature-gates": used("text", "", "Features on or off: A=true,B=false."),
  "experimental-enable-lease-checkpoint": used(
    "switch",
    "false",
    "Write down how much time long leases have left, for the next leader; so does --feature-gates LeaseCheckpoint=true.",
  ),
  "experimental-enable-lease-checkpoint-persist": used(
    "switch",
    "false",
    "Keep those times on the disk; they are kept there whenever there are any.",
  ),
  "max-learners": used("whole", "1", "Learners a cluster may have at once."),
  "bootstrap-defrag-threshold-megabytes": used(
    "whole",
    "0",
    "Defragment the backend at a start that frees as many mebibytes; 0: never.",
  ),
  "warning-apply-duration": used("duration", "100ms", "An entry that takes longer to apply is logged and counted."),
  "warning-unary-request-duration": used("duration", "300ms", "A unary call that takes longer is logged."),
  "watch-progress-notify-interval": used("duration", "10m", "Time between progress notices to idle watchers."),
  "compaction-batch-limit": used("whole", "1000", "Stored revisions one step of a compaction looks at."),
  "compaction-sleep-interval": used(
    "duration",
    "10ms",
    "Least pause between two steps of a compaction; a heartbeat interval has one step at most.",
  ),
  "corrupt-check-time": used(
    "duration",
    "0s",
    "Time between two comparisons of the members' hashes by the leader; 0: none.",
  ),
  "compact-hash-check-time": used(
    "duration",
    "1m",
    "Time between two comparisons of what compactions left, with --feature-gates CompactHashCheck=true.",
  ),
  "experimental-initial-corrupt-check": used(
    "switch",
    "false",
    "Compare hashes with the other members before serving; so does --feature-gates InitialCorruptCheck=true.",
  ),
  "experimental-compact-hash-check-enabled": used(
    "switch",
    "false",
    "Compare what compactions left; so does --feature-gates CompactHashCheck=true.",
  ),
  "downgrade-check-time": used(
    "duration",
    "5s",
    "Time between two looks of the leader at the members' releases: it decides the cluster's, and ends a downgrade.",
  ),
  // Clustering.
  "initial-advertise-peer-urls": used("list", "http://localhost:2380", "Peer URLs of this member, as others reach it."),
  "initial-cluster": used("text", "default=http://localhost:2380", "The members of a new cluster: n1=url,n2=url,…"),
  "initial-cluster-state": used("text", "new", "new, or existing."),
  "initial-cluster-token": used("text", "etcd-cluster", "Part of the ids, so that clusters cannot mix."),
  "advertise-client-urls": used("list", "http://localhost:2379", "Client URLs of this member, as clients reach it."),
  discovery: fixed("text", "", noOldDiscovery),
  "discovery-proxy": fixed("text", "", noOldDiscovery),
  "discovery-token": used("text", "", "Register in another etcd that names the members of a new cluster; its token."),
  "discovery-endpoints": used("list", "", "End points of that etcd, in place of --initial-cluster."),
  "discovery-dial-timeout": used("duration", "2s", "How long connecting to it may take."),
  "discovery-request-timeout": used("duration", "5s", "How long it may take to answer."),
  "discovery-keepalive-time": used("duration", "2s", "Idle time after which the connection to it is probed."),
  "discovery-keepalive-timeout": used("duration", "6s", "Time after which an unanswered probe closes that connection."),
  "discovery-insecure-transport": used("switch", "true", "Speak to it in plain text where no scheme or file says TLS."),
  "discovery-insecure-skip-tls-verify": used("switch", "false", "Take any certificate of it."),
  "discovery-cert": used("text", "", "Certificate to show it, in PEM form."),
  "discovery-key": used("text", "", "Its key."),
  "discovery-cacert": used("text", "", "Authority that signs its certificates, in PEM form."),
  "discovery-user": used("text", "", "User there: name, or name:password."),
  "discovery-password": used("text", "", "That user's password."),
  "discovery-fallback": fixed("text", "exit", "there is no proxy of release 2 to fall back to; leave the flag out"),
  "discovery-srv": used(
    "text",
    "",
    "Domain whose SRV records name the members of a new cluster, in place of --initial-cluster.",
  ),
  "discovery-srv-name": used("text", "", "Suffix of the service name that is asked for, with --discovery-srv."),
  "strict-reconfig-check": used("switch", "true", "Refuse changes of members that could cost the quorum."),
  "pre-vote": used("switch", "true", "Ask whether an election could be won before raising the term."),
  "auto-compaction-retention": used(
    "text",
    "0",
    "History that stays when the leader compacts by itself: hours or a duration (periodic), revisions (revision); 0: off.",
  ),
  "auto-compaction-mode": used("text", "periodic", "periodic or revision."),
  "v2-deprecation": used(
    "text",
    "write-only",
    "not-yet, write-only, write-only-drop-data or gone: there is no store of release 2 here, so all are the same.",
  ),
  // Security.
  "cert-file": used("text", "", "Certificate of the client port, in PEM form; read again when it changes."),
  "key-file": used("text", "", "Its key."),
  "client-cert-file": used(
    "text",
    "",
    "Known to etcd for its own calls to itself; this member makes none, so it only checks the pair.",
  ),
  "client-key-file": used("text", "", "Its key."),
  "client-cert-auth": used(
    "switch",
    "false",
    "Clients must show a certificate signed by --trusted-ca-file; its common name is their user.",
  ),
  "client-crl-file": used("text", "", "Revoked certificates of clients, in PEM or DER form."),
  "client-cert-allowed-hostname": used("list", "", "Client certificates must be valid for one of these names."),
  "trusted-ca-file": used("text", "", "Authority that signs certificates of clients; with it they must show one."),
  "auto-tls": used(
    "switch",
    "false",
    "Without --cert-file: make a certificate of this member's own for the client port.",
  ),
  "peer-cert-file": used("text", "", "Certificate of the peer port and for connections to other members."),
  "peer-key-file": used("text", "", "Its key."),
  "peer-client-cert-file": used(
    "text",
    "",
    "Certificate for connections to other members; left out: --peer-cert-file.",
  ),
  "peer-client-key-file": used("text", "", "Its key."),
  "peer-client-cert-auth": used("switch", "false", "Peers must show a certificate signed by --peer-trusted-ca-file."),
  "peer-trusted-ca-file": used("text", "", "Authority that signs certificates of peers."),
  "peer-auto-tls": used(
    "switch",
    "false",
    "Without --peer-cert-file: make a certificate of this member's own, and trust any of a peer.",
  ),
  "peer-crl-file": used("text", "", "Revoked certificates of peers, in PEM or DER form."),
  "peer-cert-allowed-cn": used("list", "", "Peer certificates must have one of these common names."),
  "peer-cert-allowed-hostname": used("list", "", "Peer certificates must be valid for one of these names."),
  "peer-skip-client-san-verification": used(
    "switch",
    "false",
    "Take peer certificates from addresses they do not name.",
  ),
  "self-signed-cert-validity": used("whole", "1", "Years a certificate of --auto-tls or --peer-auto-tls is valid."),
  "cipher-suites": used("list", "", "Cipher suites of TLS 1.2 by their IANA names; empty: the runtime's choice."),
  "tls-min-version": used("text", "TLS1.2", "TLS1.2 or TLS1.3."),
  "tls-max-version": used("text", "", "TLS1.2 or TLS1.3; empty: the newest."),
  cors: used("list", "*", "Origins whose pages may read HTTP answers; *: any."),
  "host-whitelist": used("list", "*", "Host names HTTP clients may use without TLS; *: any."),
  "auth-token": used(
    "text",
    "simple",
    "Tokens of users: simple, or jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE,ttl=5m.",
  ),
  "bcrypt-cost": used("whole", "10", "Binary logarithm of the rounds a password is hashed with, 4 to 31."),
  "auth-token-ttl": used("whole", "300", "Seconds after which an unused simple token is forgotten."),
  // Logging, monitoring, unsafe.
  logger: fixed("text", "zap", "its log has one form, that of zap"),
  "log-outputs": used("list", "default", "default and stderr: standard error; stdout; or files."),
  "log-level": used("text", "info", "debug, info, warn, error, panic or fatal."),
  "log-format": used("text", "json", "json, or console: fields parted by tabs."),
  "enable-log-rotation": used("switch", "false", "Set the log file aside when it is full."),
  "log-rotation-config-json": used(
    "text",
    '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
    "When: maxsize in MiB, maxage in days, maxbackups, localtime, compress.",
  ),
  metrics: used("text", "basic", "basic, or extensive: also how long each call takes."),
  "listen-metrics-urls": used("list", "", "URLs to serve metrics and health on as well."),
  "enable-pprof": used("switch", "false", "Serve profiles of this process below /debug/pprof, in V8's forms."),
  "enable-distributed-tracing": fixed("switch", "false", noTracer),
  "distributed-tracing-address": fixed("text", "localhost:4317", noTracer),
  "distributed-tracing-service-name": fixed("text", "etcd", noTracer),
  "distributed-tracing-instance-id": fixed("text", "", noTracer),
  "distributed-tracing-sampling-rate": fixed("whole", "0", noTracer),
  "force-new-cluster": used(
    "switch",
    "false",
    "Once, after the majority was lost: remove all other members and go on alone with this one's data.",
  ),
  "unsafe-no-fsync": used(
    "switch",
    "false",
    "Never sync the log to the disk: a power loss may lose what was promised.",
  ),
  "config-file": used(
    "text",
    "",
    "Read everything from this YAML or JSON file; other flags and variables are passed over then.",
  ),
  // This member's own.
  "lease-reads": used(
    "switch",
    "false",
    "Not etcd's: a leader that a quorum answered lately answers reads without asking again. Sound only while the members' clocks drift apart by less than (allowance − 1) / ticks of an election timeout and no machine stops together with its clock. Give it to every member.",
  ),
  "promote-learners": used(
    "switch",
    "false",
    "Not etcd's: a leader makes voters of learners that have started and caught up, one after the other.",
  ),
  "lease-allowance-ticks": used(
    "whole",
    "2",
    "Not etcd's: heartbeat intervals by which that lease is shorter than the election timeout.",
  ),
  "lease-checkpoint-interval": used(
    "duration",
    "5m",
    "Not etcd's: time between two checkpoints of one lease; a lease with less time left has none.",
  ),
  "peer-dial": used(
    "list",
    "",
    "Not etcd's: peer URL=host:port pairs; dial that address for that URL. For drills that put a proxy in between.",
  ),
} as const satisfies { readonly [flag: string]: FlagRow };

/** Flags of 3.5 that 3.6 calls otherwise and still takes. */
export const formerFlags: { readonly [former: string]: FlagName } = {
  "experimental-compact-hash-check-time": "compact-hash-check-time",
  "experimental-compaction-batch-limit": "compaction-batch-limit",
  "experimental-compaction-sleep-interval": "compaction-sleep-interval",
  "experimental-bootstrap-defrag-threshold-megabytes": "bootstrap-defrag-threshold-megabytes",
  "experimental-corrupt-check-time": "corrupt-check-time",
  "experimental-distributed-tracing-address": "distributed-tracing-address",
  "experimental-distributed-tracing-instance-id": "distributed-tracing-instance-id",
  "experimental-distributed-tracing-sampling-rate": "distributed-tracing-sampling-rate",
  "experimental-distributed-tracing-service-name": "distributed-tracing-service-name",
  "experimental-enable-distributed-tracing": "enable-distributed-tracing",
  "experimental-max-learners": "max-learners",
  "experimental-memory-mlock": "memory-mlock",
  "experimental-peer-skip-client-san-verification": "peer-skip-client-san-verification",
  "experimental-snapshot-catchup-entries": "snapshot-catchup-entries",
  "experimental-warning-apply-duration": "warning-apply-duration",
  "experimental-warning-unary-request-duration": "warning-unary-request-duration",
  "experimental-watch-progress-notify-interval": "watch-progress-notify-interval",
};

const oldStore = "the store of release 2 and its proxy are gone since release 3.6; leave the flag out";
/** Flags of releases before 3.6 that are gone, and what there is to do about it. */
export const goneFlags: { readonly [gone: string]: string } = {
  proxy: oldStore,
  "proxy-dial-timeout": oldStore,
  "proxy-failure-wait": oldStore,
  "proxy-read-timeout": oldStore,
  "proxy-refresh-interval": oldStore,
  "proxy-write-timeout": oldStore,
  "enable-v2": oldStore,
  "experimental-enable-v2v3": oldStore,
  debug: "give --log-level=debug",
  "log-package-levels": "give --log-level",
  "log-output": "give --log-outputs",
  "experimental-backend-bbolt-freelist-type": "give --backend-bbolt-freelist-type, or leave it out",
};

export type FlagName = keyof typeof flagTable;

export const isFlagName = (name: string): name is FlagName => Object.hasOwn(flagTable, name);
