//! The features that settings need beyond the default ones: another program may lack them.

use super::super::resolution::{Plan, Resolved};
use spanwise_transport::__private::observed;
use spanwise_transport::{Compression, Protocol};

/// The features of the provider, each once.
pub(super) fn of(resolved: &Resolved) -> Vec<&'static str> {
    let Plan::Exporting(exporting) = &resolved.plan else { return Vec::new() };
    let transports = exporting.prepared.transports();
    let any =
        |is_one: &dyn Fn(&spanwise_transport::Transport) -> bool| transports.iter().any(is_one);
    let remote = exporting.running.remote.as_ref().map(|source| source.feature());
    let of_transports = [
        (any(&|it| it.protocol() == Protocol::Grpc), "grpc"),
        (any(&|it| observed(it).proxy.is_some()), "proxy"),
        (any(&|it| it.compression() == Compression::Zstd), "zstd"),
    ];
    let needed = of_transports.into_iter().filter(|(is_needed, _)| *is_needed);
    needed
        .map(|(_, feature)| feature)
        .chain(remote)
        .chain(exporting.features.iter().copied().flatten())
        .collect()
}
