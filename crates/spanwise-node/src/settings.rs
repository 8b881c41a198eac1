//! The settings of a node, as both kinds of files have them.

use spanwise_redact::Redactor;
use spanwise_spool::SpoolSettings;
use spanwise_tail::{ProbabilisticSamplerConfig, SpanFilter, TailSamplingConfig};
use spanwise_transport::{RingVersion, TransportBuilder};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// All settings of a node.
#[derive(Debug)]
pub struct NodeSettings {
    /// Whether the node routes, samples, or both.
    pub role: Role,
    /// The memory of all requests that the node holds.
    pub memory: MemoryLimit,
    /// Where requests arrive. At least one.
    pub receivers: Vec<ReceiverSettings>,
    /// The steps before routing and tail sampling, in the order of the file.
    pub processors: Vec<Processor>,
    /// Tail sampling, with the role of a sampler. Its traces have at most three eighths of the memory, whatever its `max_memory_bytes`.
    pub tail_sampling: Option<TailSamplingConfig>,
    /// The peers, with the role of a gateway.
    pub gateway: Option<GatewaySettings>,
    /// Where requests go. At least one with the role of a sampler.
    pub destinations: Vec<DestinationSettings>,
    /// The endpoint of `/healthz`, `/readyz`, `/metrics` and the live page; none without.
    pub admin: Option<AdminSettings>,
    /// The directory of the counts from which the next start reports what a crash lost; none without.
    pub state_directory: Option<PathBuf>,
    /// The deadline of a drain. Default 10 s.
    pub shutdown_timeout: Duration,
    /// The time between two looks at the file of the settings and at the certificates of receivers, which are read again if one has changed;
    /// `None` waits for a signal.
    pub reload_interval: Option<Duration>,
    /// The form of log lines.
    pub logs: LogFormat,
}

/// The work of a node on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Routes each trace to one of its peers.
    Gateway,
    /// Samples, stores and forwards.
    Sampler,
    /// Both: routes the traces of its clients over the peers, itself among them, and samples those that peers send. Without peers
    /// it is a sampler.
    #[default]
    Both,
}

impl Role {
    /// Each with its name.
    pub(crate) const NAMES: &[(&str, Self)] = &[
        (Self::Gateway.name(), Self::Gateway),
        (Self::Sampler.name(), Self::Sampler),
        (Self::Both.name(), Self::Both),
    ];

    /// Its name in files, options and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Sampler => "sampler",
            Self::Both => "both",
        }
    }
}

/// The memory of all requests that the node holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MemoryLimit {
    /// A number of bytes.
    Bytes(usize),
    /// A part of the memory of the container or the machine, above 0 and at most 1.
    Share(f64),
}

impl Default for MemoryLimit {
    /// A half.
    fn default() -> Self {
        Self::Share(0.5)
    }
}

/// A place where requests arrive: OTLP/gRPC and OTLP/HTTP at the same port.
#[derive(Debug, Clone)]
pub struct ReceiverSettings {
    /// Its name in metrics and messages, unique: without one in the file, its place there, as `receivers[0]` and
    /// `receivers.otlp.protocols.grpc`.
    pub name: String,
    /// Requests from peers, which are not routed again.
    pub is_for_peers: bool,
    /// The address and port.
    pub address: SocketAddr,
    /// A path instead of the address.
    pub unix_socket: Option<PathBuf>,
    /// TLS.
    pub tls: Option<ReceiverTls>,
    /// The secret that each request must have as `authorization: Bearer`.
    pub bearer_token: Option<Secret>,
    /// The most bytes of a request's body, also decompressed. Default 16 MiB.
    pub max_request_bytes: usize,
    /// The most connections. Default 1,024.
    pub max_connections: usize,
    /// The most concurrent requests of one HTTP/2 connection. Default 100.
    pub max_concurrent_streams: u32,
    /// The age at which a connection ends. Default `None`: at none.
    pub max_connection_age: Option<Duration>,
}

impl ReceiverSettings {
    /// A receiver at an address, with the defaults.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            is_for_peers: false,
            address,
            unix_socket: None,
            tls: None,
            bearer_token: None,
            max_request_bytes: 16 << 20,
            max_connections: 1_024,
            max_concurrent_streams: 100,
            max_connection_age: None,
        }
    }
}

/// The files of a TLS receiver, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverTls {
    /// The certificate chain.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
    /// Authorities of client certificates, which clients then need.
    pub client_ca_file: Option<PathBuf>,
}

/// A value that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Arc<str>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A step before routing and tail sampling.
#[derive(Debug)]
pub enum Processor {
    /// Changes attributes and texts.
    Redact(Box<Redactor>),
    /// Leaves out spans that match.
    Filter(Box<SpanFilter>),
    /// Leaves out a share of the traces by their ids.
    Probabilistic(ProbabilisticSamplerConfig),
}

/// The peers of a gateway.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// How traces spread over peers.
    pub ring: RingVersion,
    /// The source of the peers' addresses.
    pub resolver: Resolver,
    /// The name of this node among them, if it is one: the role `both`.
    pub own_name: Option<String>,
    /// Settings of requests to peers, without the endpoint.
    pub transport: TransportBuilder,
    /// Whether the peers' endpoints begin with `https`.
    pub uses_tls: bool,
    /// The most bytes that wait for one peer. Default a half of the memory of requests.
    pub queue_bytes: Option<usize>,
    /// The longest `decision_wait` of the samplers behind the peers: after a change of the peers, traces that have begun stay
    /// with their peer for as long. Default 30 s, as that of tail sampling.
    pub decision_wait: Duration,
    /// The time without any answer after which the share of a peer goes to the others. A request has a half of it, with all its
    /// attempts. Default 30 s.
    pub unreachable_timeout: Duration,
}

impl GatewaySettings {
    /// The defaults, with the newest ring and without TLS.
    pub fn new(resolver: Resolver, transport: TransportBuilder) -> Self {
        Self {
            ring: RingVersion::default(),
            resolver,
            own_name: None,
            transport,
            uses_tls: false,
            queue_bytes: None,
            decision_wait: Duration::from_secs(30),
            unreachable_timeout: Duration::from_secs(30),
        }
    }
}

/// The source of the peers' names. The Collector's load-balancing exporter gives its peers the same ones, on which the ring depends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// A list of `host:port`, or of `host` alone for the port 4317.
    Static(Vec<String>),
    /// The addresses of a name.
    Dns {
        /// The name.
        hostname: String,
        /// Their port. `None`: 4317, and the peers' names have no port, as those of the Collector without `port`.
        port: Option<u16>,
        /// The time between two lookups. Default 5 s.
        interval: Duration,
        /// The deadline of a lookup. Default 1 s.
        timeout: Duration,
    },
    /// A file with one `host:port` on each line, read again when it changes.
    File {
        /// The path.
        path: PathBuf,
        /// The time between two looks. Default 5 s.
        interval: Duration,
    },
}

/// A place where requests go.
#[derive(Debug)]
pub struct DestinationSettings {
    /// Its name in metrics and messages, unique.
    pub name: String,
    /// Its kind.
    pub target: Target,
    /// The most bytes that wait for it. Default a half of the memory.
    pub queue_bytes: Option<usize>,
    /// Requests at once. Default 4.
    pub max_concurrent_requests: usize,
    /// Small requests are sent together until they have this number of spans. Default 8,192.
    pub max_batch_spans: u64,
    /// Small requests are sent together until they have this number of bytes. Default 2 MiB: a Collector accepts at most 4 MiB
    /// over gRPC. A single larger request is sent as it is, and one of more than 3.75 MiB in parts.
    pub max_batch_bytes: usize,
    /// The longest time that a request waits for others. Default 200 ms.
    pub batch_timeout: Duration,
    /// The disk behind it.
    pub spool: Option<DestinationSpool>,
}

impl DestinationSettings {
    /// A destination with the defaults.
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Self {
            name: name.into(),
            target,
            queue_bytes: None,
            max_concurrent_requests: 4,
            max_batch_spans: 8_192,
            max_batch_bytes: 2 << 20,
            batch_timeout: Duration::from_millis(200),
            spool: None,
        }
    }
}

/// The kind of a destination.
#[derive(Debug)]
pub enum Target {
    /// An OTLP receiver.
    Otlp(Box<TransportBuilder>),
    /// A file of lines in OTLP/JSON.
    File {
        /// The path.
        path: PathBuf,
        /// The most bytes of the file: requests beyond it are lost. Default 100 MiB. A file that another program renames or removes is
        /// made anew.
        max_bytes: Option<u64>,
    },
    /// The standard output: a line for each request.
    Debug,
}

/// The disk behind a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationSpool {
    /// The directory, for this destination alone.
    pub directory: PathBuf,
    /// Its limits.
    pub settings: SpoolSettings,
}

/// The endpoint of `/healthz`, `/readyz`, `/metrics` and the live page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    /// The address and port.
    pub address: SocketAddr,
    /// Names that requests may have in `Host`, beside IP addresses and `localhost`: at most 16, without a port.
    pub allowed_hosts: Vec<String>,
}

impl AdminSettings {
    /// An endpoint at an address, for IP addresses and `localhost`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, allowed_hosts: Vec::new() }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Words.
    #[default]
    Text,
    /// One object on each line.
    Json,
}
