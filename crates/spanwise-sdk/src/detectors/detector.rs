//! [`Detector`]: the names of the resource detectors.

/// A resource detector: adds attributes to the resource, named by the semantic conventions.
///
/// No detector runs unless the program selects it, by
/// [`with_detectors`](crate::SpanwiseBuilder::with_detectors) or by name in
/// `OTEL_RUST_RESOURCE_DETECTORS`, a list separated by commas. An attribute that the system does not
/// have is missing; the provider reports one that the detector cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Detector {
    /// `process`: `process.pid`, `process.executable.name` and `process.executable.path`.
    Process,
    /// `processcommand`: `process.command` and `process.command_args`. The arguments of a program may
    /// contain passwords, so `all` does not include it.
    ProcessCommand,
    /// `host`: `host.name`, `host.arch`, and `host.id` from `/etc/machine-id`, which identifies the
    /// machine to everyone who sees the traces.
    Host,
    /// `os`: `os.type`, and `os.name`, `os.version` and `os.description` from `/etc/os-release`, or from
    /// `uname` on Unix systems without that file.
    Os,
    /// `container`: `container.id`, on Linux, from `/proc/self/cgroup` or `/proc/self/mountinfo`. It is
    /// missing where the runtime hides it, as containerd does with cgroup v2.
    Container,
    /// `serviceinstance`: `service.instance.id`, a random UUID. All providers of a process have the
    /// same one, and a forked child has another.
    ServiceInstance,
}

impl Detector {
    pub(crate) const ALL: [Self; 6] = [
        Self::Process,
        Self::ProcessCommand,
        Self::Host,
        Self::Os,
        Self::Container,
        Self::ServiceInstance,
    ];

    /// The name in `OTEL_RUST_RESOURCE_DETECTORS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::ProcessCommand => "processcommand",
            Self::Host => "host",
            Self::Os => "os",
            Self::Container => "container",
            Self::ServiceInstance => "serviceinstance",
        }
    }
}
