//! The implementations that run each workload.

/// A package whose binaries run implementations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Package {
    /// The workspace's own.
    Ours,
    /// The folder under `benches/rivals`.
    Rival(&'static str),
}

/// One implementation on one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) workload: &'static str,
    pub(super) implementation: &'static str,
    pub(super) package: Package,
}

impl Entry {
    /// From producer to a receiver, in numbers of spans instead of time.
    pub(super) fn is_end_to_end(&self) -> bool {
        self.workload.starts_with("e2e") || self.is_of_batch_sizes()
    }

    /// The same with more and more spans a request.
    fn is_of_batch_sizes(&self) -> bool {
        self.workload.strip_prefix("batch-").is_some_and(|size| size != "export")
    }

    /// The allocator it runs over, when that is not the system's.
    pub(super) fn allocator(&self) -> Option<&'static str> {
        OTHER_ALLOCATORS.iter().copied().find(|name| self.implementation.ends_with(name))
    }

    /// Operations of an end-to-end sample: requests of five spans.
    pub(super) fn ops(&self, quick: bool) -> u64 {
        // Small requests take their time.
        let most = if self.is_of_batch_sizes() { 40_000 } else { u64::MAX };
        let ops: u64 = match (self.package, quick) {
            (Package::Ours, false) => 400_000,
            (Package::Ours, true) => 200_000,
            (Package::Rival(_), false) => 80_000,
            (Package::Rival(_), true) => 40_000,
        };
        ops.min(most)
    }

    /// Whether allocations mean anything: one thread, no network.
    pub(super) fn counts_allocations(&self) -> bool {
        let alone = !self.is_end_to_end() && !["w2", "encode", "compress"].contains(&self.workload);
        alone && self.package != Package::Rival("floor") && self.allocator().is_none()
    }
}

/// Everything there is, in the order of the report.
pub(super) fn entries() -> Vec<Entry> {
    let all = CONTEST.iter().flat_map(|&(workload, implementations)| {
        implementations.split_whitespace().map(move |implementation| Entry {
            workload,
            implementation,
            package: package(implementation),
        })
    });
    all.collect()
}

/// The rivals' folders.
pub(super) const RIVALS: &[&str] =
    &["otel-sdk", "tracing-otel", "fastrace", "floor", "prototype", ALLOCATORS];

/// Not a rival: Spanwise over [`OTHER_ALLOCATORS`].
pub(super) const ALLOCATORS: &str = "allocators";

const OTHER_ALLOCATORS: [&str; 2] = ["mimalloc", "jemalloc"];

fn package(implementation: &str) -> Package {
    let elsewhere = OTHER_ALLOCATORS.iter().any(|name| implementation.ends_with(name));
    match implementation.split('-').next() {
        _ if implementation == "floor-prototype" => Package::Rival("prototype"),
        Some("spanwise") if elsewhere => Package::Rival(ALLOCATORS),
        Some("spanwise" | "gzip") => Package::Ours,
        Some("tracing") => Package::Rival("tracing-otel"),
        Some("fastrace") => Package::Rival("fastrace"),
        Some("floor") => Package::Rival("floor"),
        _ => Package::Rival("otel-sdk"),
    }
}

const CONTEST: &[(&str, &str)] = &[
    (
        "w1",
        "spanwise-native spanwise otel-sdk otel-sdk-64k otel-sdk-paced tracing-otel-lean \
         tracing-otel fastrace opentelemetry-api spanwise-mimalloc spanwise-jemalloc \
         otel-sdk-paced-mimalloc otel-sdk-paced-jemalloc floor-prototype floor-rdtsc floor-instant \
         floor-system-time floor-memcpy-256 floor-malloc-64 floor-atomic-add",
    ),
    ("w1-off", "spanwise-native spanwise otel-sdk"),
    ("w2", "spanwise-native spanwise otel-sdk otel-sdk-64k otel-sdk-paced"),
    (
        "w3",
        "spanwise-native spanwise otel-sdk otel-sdk-64k otel-sdk-paced tracing-otel-lean \
         tracing-otel fastrace opentelemetry-api spanwise-mimalloc spanwise-jemalloc \
         otel-sdk-paced-mimalloc otel-sdk-paced-jemalloc floor-prototype",
    ),
    ("w1-boxed", "spanwise otel-sdk"),
    ("encode", "spanwise otel-sdk"),
    ("e2e-grpc", "spanwise-native spanwise otel-sdk-paced"),
    ("e2e-http", "spanwise-native spanwise otel-sdk-paced floor-prototype"),
    ("e2e-default", "spanwise otel-sdk otel-sdk-64k"),
    ("batch-10", "spanwise otel-sdk-paced"),
    ("batch-50", "spanwise otel-sdk-paced"),
    ("batch-100", "spanwise otel-sdk-paced"),
    ("batch-500", "spanwise otel-sdk-paced"),
    ("batch-1000", "spanwise otel-sdk-paced"),
    ("batch-2000", "spanwise otel-sdk-paced"),
    ("batch-export", "spanwise otel-sdk-paced"),
    ("compress", "gzip-1 gzip-6 gzip-9"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_its_folder_and_workload() {
        let benches = crate::step::root().join("benches");
        for entry in entries() {
            let workload = benches.join(format!("workloads/{}.json", entry.workload));
            assert!(workload.exists(), "{entry:?}");
            if let Package::Rival(folder) = entry.package {
                assert!(RIVALS.contains(&folder), "{entry:?}");
                let lock = benches.join("rivals").join(folder).join("Cargo.lock");
                assert!(folder == ALLOCATORS || lock.exists(), "{entry:?}");
            }
        }
    }
}
