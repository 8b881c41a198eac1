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
        is_end_to_end(self.workload)
    }

    /// The allocator it runs over, when that is not the system's.
    pub(super) fn allocator(&self) -> Option<&'static str> {
        OTHER_ALLOCATORS.iter().copied().find(|name| self.implementation.ends_with(name))
    }

    /// Whether the application does more than to send its spans.
    pub(super) fn has_extra(&self) -> bool {
        [EXTRAS, TAIL_EXTRAS]
            .iter()
            .any(|names| names.split_whitespace().any(|name| name == self.implementation))
    }

    /// Operations of an end-to-end sample: requests of five spans.
    pub(super) fn ops(&self, quick: bool) -> u64 {
        // Small requests take their time.
        let most = if is_of_batch_sizes(self.workload) { 40_000 } else { u64::MAX };
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
        let alone = !self.is_end_to_end() && !NOT_ALONE.contains(&self.workload);
        alone && self.package != Package::Rival("floor") && self.allocator().is_none()
    }
}

/// Whether the workload's spans go to a receiver, in numbers of spans instead of time.
pub(super) fn is_end_to_end(workload: &str) -> bool {
    workload.starts_with("e2e") || is_of_batch_sizes(workload)
}

/// The same with more and more spans a request.
fn is_of_batch_sizes(workload: &str) -> bool {
    workload.strip_prefix("batch-").is_some_and(|size| size != "export")
}

/// Everything there is, in the order of the report.
pub(super) fn entries() -> Vec<Entry> {
    let all = CONTEST.iter().flat_map(|&(workload, implementations)| {
        implementations.iter().flat_map(|names| names.split_whitespace()).map(
            move |implementation| Entry {
                workload,
                implementation,
                package: package(implementation),
            },
        )
    });
    all.collect()
}

/// The workloads in the order of the report.
pub(super) fn workloads() -> Vec<&'static str> {
    CONTEST.iter().map(|&(workload, _)| workload).collect()
}

/// The folders of the rivals that run a workload that is wanted.
pub(super) fn rivals(wants: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let entries = entries();
    let mut rivals = RIVALS.to_vec();
    rivals.retain(|&rival| {
        let mut of_rival = entries.iter().filter(|entry| entry.package == Package::Rival(rival));
        of_rival.any(|entry| wants(entry.workload))
    });
    rivals
}

/// The rivals' folders.
pub(super) const RIVALS: &[&str] =
    &["otel-sdk", "tracing-otel", "fastrace", "floor", "prototype", ALLOCATORS, PLUGIN];

/// Not rivals: built from our own crates, so that their locks follow the workspace's.
pub(super) const OF_OURS: [&str; 2] = [ALLOCATORS, PLUGIN];
/// Spanwise over [`OTHER_ALLOCATORS`].
const ALLOCATORS: &str = "allocators";
/// Spanwise inside of the stock SDK.
const PLUGIN: &str = "plugin";

/// The root span, the same on two threads and the request under a ratio of one half, per span that is
/// sampled.
pub(super) const W1_RATIO: &str = "w1-kept";
pub(super) const W2_RATIO: &str = "w2-kept";
pub(super) const W3_RATIO: &str = "w3-kept";

/// Workloads whose allocations have no one thread to count on, or no span to count for.
const NOT_ALONE: &[&str] = &[
    "w2",
    W2_RATIO,
    "flush-100k",
    "encode",
    "encode-json",
    "compress",
    "order-mixed",
    "order-shuffled",
    "attributes-report",
];

pub(super) const OTHER_ALLOCATORS: [&str; 2] = ["mimalloc", "jemalloc"];

fn package(implementation: &str) -> Package {
    let elsewhere = OTHER_ALLOCATORS.iter().any(|name| implementation.ends_with(name));
    match implementation.split('-').next() {
        _ if implementation == "floor-prototype" => Package::Rival("prototype"),
        _ if ["spanwise-plugin", "otel-sdk-bsp", "otel-sdk-dropping"].contains(&implementation) => {
            Package::Rival(PLUGIN)
        }
        Some("spanwise") if elsewhere => Package::Rival(ALLOCATORS),
        Some("spanwise" | "gzip" | "zstd") => Package::Ours,
        Some("tracing") => Package::Rival("tracing-otel"),
        Some("fastrace") => Package::Rival("fastrace"),
        Some("floor") => Package::Rival("floor"),
        _ => Package::Rival("otel-sdk"),
    }
}

const CONTEST: &[(&str, &[&str])] = &[
    (
        "w1",
        &[
            COMMON,
            RIVALS_OF_ALL,
            OVER_OTHER_ALLOCATORS,
            TRACING,
            TRACING_OVER_OTHER_ALLOCATORS,
            "floor-prototype",
            STEPS,
            EXTRAS,
            TAIL_EXTRAS,
        ],
    ),
    ("w1-off", &["spanwise-native spanwise otel-sdk", TRACING, "tracing-otel-lean"]),
    (W1_RATIO, &[COMMON, EXTRAS]),
    ("w2", &[COMMON, "otel-sdk otel-sdk-64k"]),
    (W2_RATIO, &[COMMON]),
    (
        "w3",
        &[
            COMMON,
            RIVALS_OF_ALL,
            OVER_OTHER_ALLOCATORS,
            TRACING,
            TRACING_OVER_OTHER_ALLOCATORS,
            "floor-prototype",
            "spanwise-plugin otel-sdk-dropping",
            EXTRAS,
            TAIL_EXTRAS,
        ],
    ),
    ("w3-end", &["spanwise-plugin otel-sdk-bsp"]),
    (W3_RATIO, &[COMMON, EXTRAS]),
    ("w3-builder", &[COMMON, OVER_OTHER_ALLOCATORS]),
    ("w3-in-span", &[COMMON, OVER_OTHER_ALLOCATORS]),
    ("w1-boxed", &["spanwise otel-sdk"]),
    ("w1-boxed-in-span", &[COMMON, OVER_OTHER_ALLOCATORS]),
    ("dropped", &["spanwise-native spanwise otel-sdk"]),
    ("encode", &["spanwise otel-sdk"]),
    ("encode-json", &["spanwise otel-sdk"]),
    ("e2e-grpc", &["spanwise-native spanwise otel-sdk-paced spanwise-plugin"]),
    (
        "e2e-http",
        &[
            "spanwise-native spanwise otel-sdk-paced floor-prototype spanwise-plugin",
            EXTRAS,
            TAIL_EXTRAS,
        ],
    ),
    ("e2e-http-gzip", &["spanwise-native spanwise otel-sdk-paced"]),
    ("e2e-http-zstd", &["spanwise-native spanwise otel-sdk-paced"]),
    ("e2e-grpc-zstd", &["spanwise-native spanwise otel-sdk-paced"]),
    ("e2e-json", &["spanwise otel-sdk-paced"]),
    ("e2e-default", &["spanwise otel-sdk otel-sdk-64k spanwise-plugin"]),
    ("batch-10", &["spanwise otel-sdk-paced"]),
    ("batch-50", &["spanwise otel-sdk-paced"]),
    ("batch-100", &["spanwise otel-sdk-paced"]),
    ("batch-500", &["spanwise otel-sdk-paced"]),
    ("batch-1000", &["spanwise otel-sdk-paced"]),
    ("batch-2000", &["spanwise otel-sdk-paced"]),
    ("batch-export", &["spanwise otel-sdk-paced"]),
    ("flush-100k", &["spanwise-native"]),
    ("compress", &["gzip-1 gzip-6 gzip-9 zstd-fast-5 zstd-1 zstd-3 zstd-6 zstd-9"]),
    ("order-mixed", &[ORDERS]),
    ("order-shuffled", &[ORDERS]),
    ("attributes-report", &["spanwise"]),
];

const ORDERS: &str = "gzip-arrival gzip-by-trace gzip-rewritten-by-trace gzip-rewritten-by-key \
     zstd-arrival zstd-by-trace zstd-rewritten-by-trace zstd-rewritten-by-key";
const COMMON: &str = "spanwise-native spanwise otel-sdk-paced opentelemetry-api";
const RIVALS_OF_ALL: &str = "otel-sdk otel-sdk-64k tracing-otel-lean tracing-otel fastrace";
const OVER_OTHER_ALLOCATORS: &str = "spanwise-native-mimalloc spanwise-native-jemalloc \
     spanwise-mimalloc spanwise-jemalloc otel-sdk-paced-mimalloc otel-sdk-paced-jemalloc";
/// An application that also redacts, counts its spans, has a spool.
const EXTRAS: &str = "spanwise-redaction spanwise-span-metrics spanwise-spool \
     spanwise-native-redaction spanwise-native-span-metrics spanwise-native-spool";
/// One that samples whole traces; and that does all of it. Tail sampling sees the traces that a ratio leaves out, too.
const TAIL_EXTRAS: &str = "spanwise-tail spanwise-all spanwise-native-tail spanwise-native-all";
/// Macros of `tracing`; the rival with everything optional off is in [`RIVALS_OF_ALL`].
const TRACING: &str =
    "spanwise-tracing spanwise-tracing-no-context spanwise-tracing-subscriber tracing-registry";
const TRACING_OVER_OTHER_ALLOCATORS: &str = "spanwise-tracing-mimalloc spanwise-tracing-jemalloc \
     spanwise-tracing-no-context-mimalloc spanwise-tracing-no-context-jemalloc \
     tracing-otel-lean-mimalloc tracing-otel-lean-jemalloc";
const STEPS: &str = "floor-rdtsc floor-instant floor-system-time floor-memcpy-256 floor-malloc-64 \
     floor-atomic-add";

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
                assert!(OF_OURS.contains(&folder) || lock.exists(), "{entry:?}");
            }
        }
    }

    #[test]
    fn a_single_workload_needs_its_own_rivals_only() {
        assert_eq!(rivals(|_| true), RIVALS);
        assert_eq!(rivals(|workload| workload == "w1-off"), ["otel-sdk", "tracing-otel"]);
        assert!(rivals(|workload| workload == "compress").is_empty());
    }
}
