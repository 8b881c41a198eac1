//! The senders of a run: our own, a Collector's exporter, and the exporters of other SDKs.

mod collector;
mod sdk;

use super::sender::{Load, Sent};
use crate::interop::build;
use crate::peers::Cache;
use collector::Collector;
use sdk::Sdk;
use std::path::Path;

/// A sender, and what it sends.
pub(super) enum Sender {
    /// Our transport.
    Own(Load),
    /// A Collector between our transport and the node.
    Collector(Collector),
    /// The exporter of another SDK.
    Sdk(Sdk),
}

impl Sender {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Own(load) if load.is_grpc => "spanwise over gRPC",
            Self::Own(_) => "spanwise over HTTP",
            Self::Collector(_) => "the Collector",
            Self::Sdk(sdk) => sdk.name(),
        }
    }

    /// Sends to the end. The accepted spans are those that the sender counts as acknowledged.
    ///
    /// # Errors
    /// A process does not start or fails, or a sender loses spans that it does not count.
    pub(super) fn run(self) -> Result<Sent, String> {
        match self {
            Self::Own(load) => load.run(),
            Self::Collector(collector) => collector.run(),
            Self::Sdk(sdk) => sdk.run(),
        }
    }
}

/// The senders of other projects that this machine has, each to one of `ports`; prints why one is left out. `load` makes the work of a
/// number for a port.
///
/// # Errors
/// A file cannot be written.
pub(super) fn foreign(
    cache: &Cache,
    folder: &Path,
    ports: &[u16],
    load: impl Fn(u64, u16) -> Load,
) -> Result<Vec<Sender>, String> {
    let port = |index: usize| ports.get(index % ports.len().max(1)).copied().unwrap_or_default();
    let mut all = Vec::new();
    if build::is_built(cache) {
        let program = build::collector(cache)?;
        let folder = folder.to_owned();
        let load = load(0, port(0));
        all.push(Sender::Collector(Collector { program, folder, port: port(0), load }));
    } else {
        println!("  without the Collector: `cargo xtask interop` builds it");
    }
    let sdks: [Make; 2] = [sdk::python, sdk::javascript];
    for (index, make) in (1..).zip(sdks) {
        match make(cache, folder, load(index as u64, port(index))) {
            Ok(sdk) => all.push(Sender::Sdk(sdk)),
            Err(problem) => println!("  without {problem}"),
        }
    }
    Ok(all)
}

/// Finds or installs an SDK; the error begins with its name.
type Make = fn(&Cache, &Path, Load) -> Result<Sdk, String>;
