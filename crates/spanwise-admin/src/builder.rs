//! [`AdminEndpointBuilder`].

use crate::address;
use crate::endpoint::AdminEndpoint;
use crate::error::AdminError;
use crate::router::Router;
use crate::routes;
use spanwise_sdk::Spanwise;
use spanwise_worker::{MAX_LINE_BYTES, sanitize};

/// The builder of an [`AdminEndpoint`].
#[must_use = "`build` starts the endpoint"]
#[derive(Debug, Clone)]
pub struct AdminEndpointBuilder {
    address: String,
    non_loopback: bool,
    allowed_hosts: Vec<String>,
    profiling: bool,
}

impl AdminEndpoint {
    /// A builder with the address 127.0.0.1:9464.
    pub fn builder() -> AdminEndpointBuilder {
        let (address, allowed_hosts) = (DEFAULT.to_owned(), Vec::new());
        AdminEndpointBuilder { address, non_loopback: false, allowed_hosts, profiling: false }
    }
}

impl AdminEndpointBuilder {
    /// The address and port to listen at, such as `127.0.0.1:9464`, `[::1]:9464` or `localhost:9464` (127.0.0.1). Port 0 is one that
    /// the system chooses: see [`AdminEndpoint::local_addr`]. Default `127.0.0.1:9464`, the port of Prometheus exporters of OpenTelemetry.
    pub fn with_address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Whether [`with_address`](Self::with_address) accepts an address that other machines reach. Default false: the endpoint has no
    /// authentication and no TLS, and shows names of spans. A scraper in another pod needs it, with a network policy.
    pub fn with_non_loopback_address(mut self, accepted: bool) -> Self {
        self.non_loopback = accepted;
        self
    }

    /// Another name that requests may have in their `Host` header, without a port. IP addresses and `localhost` are always accepted. Up
    /// to 16 names; each is a name that only you can make resolve to this machine.
    pub fn with_allowed_host(mut self, name: impl Into<String>) -> Self {
        self.allowed_hosts.push(name.into());
        self
    }

    /// Whether `/debug/pprof/` serves profiles of the process: `profile` (CPU), `heap`, `allocs` and `threads`. Default false; on loopback
    /// alone, also with [`with_non_loopback_address`](Self::with_non_loopback_address). Heap profiles need
    /// `spanwise_profiling::SamplingAllocator` as the global allocator.
    #[cfg(feature = "profiling")]
    pub fn with_profiling(mut self, served: bool) -> Self {
        self.profiling = served;
        self
    }

    /// Binds the address and starts the thread that serves `spanwise`, whose lifetime the endpoint does not extend.
    ///
    /// # Errors
    /// A setting is not accepted, another process has the port, or the system refuses a thread: see [`AdminError`].
    pub fn build(self, spanwise: &Spanwise) -> Result<AdminEndpoint, AdminError> {
        let address = address::parse(&self.address, self.non_loopback)?;
        let is_name = |name: &String| {
            let is_valid =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            (1..=253).contains(&name.len()) && name.bytes().all(is_valid)
        };
        let broken = self.allowed_hosts.iter().find(|name| !is_name(name));
        let beyond = self.allowed_hosts.get(MAX_ALLOWED_HOSTS);
        if let Some(name) = broken.or(beyond) {
            return Err(AdminError::Setting {
                setting: "with_allowed_host",
                value: sanitize(name, MAX_LINE_BYTES),
                accepted: "up to 16 host names without a port",
            });
        }
        if self.profiling && !address.ip().is_loopback() {
            return Err(AdminError::Setting {
                setting: "with_profiling",
                value: format!("true with {address}"),
                accepted: "a loopback address: a profile interrupts the program and shows its functions",
            });
        }
        let routes = routes::all(self.profiling);
        AdminEndpoint::start(address, Router::new(spanwise.live_view(), routes, self.allowed_hosts))
    }
}

const DEFAULT: &str = "127.0.0.1:9464";
const MAX_ALLOWED_HOSTS: usize = 16;
