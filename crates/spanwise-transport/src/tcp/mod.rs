//! Connections over TCP and Unix sockets: what failed, what the peer spoke, and streams for tokio.

use http::Uri;
use http::uri::Scheme;

#[cfg(feature = "tokio")]
mod connect;
#[cfg(feature = "tokio")]
mod hyper_io;
#[cfg(feature = "tokio")]
#[cfg_attr(unix, path = "peek_unix.rs")]
#[cfg_attr(not(unix), path = "peek_other.rs")]
mod peek;
mod problem;
mod resolve;
mod sniff;
#[cfg(feature = "tokio")]
mod socket;
#[cfg(feature = "tokio")]
mod stream;
#[cfg(feature = "tokio")]
#[cfg_attr(
    any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "netbsd",
        target_os = "openbsd",
    ),
    path = "flagged.rs"
)]
#[cfg_attr(
    not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "netbsd",
        target_os = "openbsd",
    )),
    path = "other.rs"
)]
mod vectored;

#[cfg(feature = "tokio")]
pub(crate) use connect::connect;
#[cfg(all(feature = "tokio", unix))]
pub(crate) use connect::connect_unix;
#[cfg(feature = "tokio")]
pub(crate) use hyper_io::{HyperIo, ReadObserver};
pub(crate) use problem::{CONNECT_TIMEOUT, ConnectProblem, os_message};
pub(crate) use resolve::resolve;
pub(crate) use sniff::{PeerObservations, PeerProtocol, PeerState, ProtocolSniffer};
#[cfg(feature = "tokio")]
pub(crate) use socket::Socket;
#[cfg(feature = "tokio")]
pub(crate) use stream::SigpipeFreeStream;

/// The host of an `http` or `https` URL, without the brackets of an IPv6 address, and its port.
pub(crate) fn host_and_port(uri: &Uri) -> (&str, u16) {
    let host = uri.host().unwrap_or_default();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    (address.unwrap_or(host), uri.port_u16().unwrap_or(default))
}
