//! The host name of an endpoint, resolved as the system does.

use super::attempt::Attempt;
use super::check::{CheckStatus, DoctorCheck};
use spanwise_transport::Endpoint;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The host name of the endpoint.
pub(super) enum LookedUp {
    /// There is none to resolve here; with the reason.
    NoName(String),
    Addresses(String),
    Failed(String),
}

/// Resolves the host name within `limit`, unless `proxy` does.
pub(super) fn look_up(endpoint: &Endpoint, proxy: Option<&str>, limit: Duration) -> LookedUp {
    if endpoint.unix_path().is_some() {
        return LookedUp::NoName("the endpoint is a Unix socket".to_owned());
    }
    if let Some(proxy) = proxy {
        return LookedUp::NoName(format!("the proxy {proxy} resolves the host name"));
    }
    let host = endpoint.host().to_owned();
    let address = host.trim_matches(['[', ']']);
    if address.parse::<IpAddr>().is_ok() {
        return LookedUp::NoName(format!("{address} is an address"));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let resolved_host = host.clone();
    // The resolver of the system has its own, longer timeout.
    let lookup = move || {
        let found = (&*resolved_host, 0).to_socket_addrs();
        let _too_late = sender.send(found.map(|all| all.map(|address| address.ip()).collect()));
    };
    if let Err(error) = thread::Builder::new().name("spanwise-doctor".to_owned()).spawn(lookup) {
        return LookedUp::Failed(format!("no thread can be started: {error}"));
    }
    let found: io::Result<BTreeSet<IpAddr>> = match receiver.recv_timeout(limit) {
        Ok(found) => found,
        Err(_) => {
            let problem = format!("the host name is not resolved within {limit:?}");
            return LookedUp::Failed(problem);
        }
    };
    match found {
        Ok(addresses) if !addresses.is_empty() => {
            let shown: Vec<_> =
                addresses.iter().take(MAX_ADDRESSES).map(IpAddr::to_string).collect();
            LookedUp::Addresses(format!("{host} is {}", shown.join(", ")))
        }
        Ok(_) => LookedUp::Failed("the host name cannot be resolved: no address".to_owned()),
        Err(error) => LookedUp::Failed(format!("the host name cannot be resolved: {error}")),
    }
}

impl LookedUp {
    pub(super) fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// The check `DNS`. `is_connected`: the attempt reached the host nevertheless.
    pub(super) fn check(&self, is_connected: bool, attempt: &Attempt) -> DoctorCheck {
        match self {
            Self::NoName(reason) => DoctorCheck::skipped(DNS, reason),
            Self::Addresses(found) => DoctorCheck::both(DNS, CheckStatus::Passed, found),
            // The name server of the transport's own lookup was faster.
            Self::Failed(problem) if is_connected => {
                DoctorCheck::both(DNS, CheckStatus::Warning, problem)
            }
            Self::Failed(problem) => {
                let advice = attempt.delivery.advice.as_deref();
                DoctorCheck::both(DNS, CheckStatus::Failed, problem)
                    .with_fix(advice.unwrap_or(NAME_SERVER))
            }
        }
    }
}

const DNS: &str = "DNS";
/// The transport has no advice when its own lookup does not end.
const NAME_SERVER: &str =
    "check the name server of this machine, and the host name in the endpoint";
/// Addresses of a name that are shown.
const MAX_ADDRESSES: usize = 8;
