//! The claims of the source document, and the targets of this project.

use crate::row::Target;

/// The document's number for a case, if it has one. Its numbers are of Go with a garbage collector.
pub fn claim(group: &str, name: &str, unit: &str) -> Option<&'static str> {
    let pooled = name.starts_with("spanwise-pool");
    match (group, unit) {
        ("span: 1 attribute", "ns") if pooled => Some("120 ns, 85.9 % less"),
        ("span: 1 attribute", "ns") => Some("850 ns without a pool"),
        ("span: 1 attribute", "bytes") if pooled => Some("64 B, 94.7 % less"),
        ("span: 1 attribute", "bytes") => Some("1200 B without a pool"),
        ("span: 1 attribute", "allocs") if pooled => Some("1, 66.7 % less"),
        ("span: 1 attribute", "allocs") => Some("3 without a pool"),
        ("11 bytes to a string", "ns") if !name.ends_with("owned") => {
            Some("0.5 ns, 24 times less")
        }
        ("11 bytes to a string", "ns") => Some("12 ns"),
        ("11 bytes to a string", "bytes") if !name.ends_with("owned") => Some("0 B"),
        ("11 bytes to a string", "bytes") => Some("16 B"),
        _ => None,
    }
}

/// The targets of a pool.
pub fn target(group: &str, name: &str, threads: usize) -> Vec<Target> {
    match (group, name, threads) {
        ("pool: 1 KiB buffer", "spanwise-pool", 1) => vec![Target::AtMost(10.0)],
        ("pool: 1 KiB buffer", "spanwise-pool", 8) => {
            vec![Target::AtMostTimes(2.0, "1 thread"), Target::TimesLessThan(2.0, "object-pool")]
        }
        ("pool: 1 KiB buffer", "spanwise-pool", 2..) => {
            vec![Target::TimesLessThan(2.0, "object-pool")]
        }
        _ => Vec::new(),
    }
}
