//! Who runs which workload.

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
        self.workload.starts_with("e2e")
    }

    /// Operations of an end-to-end sample: requests of five spans.
    pub(super) fn ops(&self, quick: bool) -> u64 {
        match (self.package, quick) {
            (Package::Ours, false) => 400_000,
            (Package::Ours, true) => 200_000,
            (Package::Rival(_), false) => 80_000,
            (Package::Rival(_), true) => 40_000,
        }
    }

    /// Whether allocations say anything: one thread, no network.
    pub(super) fn counts_allocations(&self) -> bool {
        let alone = !self.is_end_to_end() && self.workload != "w2" && self.workload != "encode";
        alone && self.package != Package::Rival("floor")
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
pub(super) const RIVALS: &[&str] = &["otel-sdk", "tracing-otel", "fastrace", "floor"];

fn package(implementation: &str) -> Package {
    match implementation.split('-').next() {
        Some("spanwise") => Package::Ours,
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
         tracing-otel fastrace opentelemetry-api floor-rdtsc floor-instant floor-system-time \
         floor-memcpy-256 floor-malloc-64 floor-atomic-add",
    ),
    ("w1-off", "spanwise-native spanwise otel-sdk"),
    ("w2", "spanwise-native spanwise otel-sdk otel-sdk-64k otel-sdk-paced"),
    (
        "w3",
        "spanwise-native spanwise otel-sdk otel-sdk-64k otel-sdk-paced tracing-otel-lean \
         tracing-otel fastrace opentelemetry-api",
    ),
    ("w1-boxed", "spanwise otel-sdk"),
    ("encode", "spanwise otel-sdk"),
    ("e2e-grpc", "spanwise-native spanwise otel-sdk-paced"),
    ("e2e-http", "spanwise-native spanwise otel-sdk-paced"),
    ("e2e-default", "spanwise otel-sdk otel-sdk-64k"),
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
                assert!(benches.join("rivals").join(folder).join("Cargo.lock").exists());
            }
        }
    }
}
