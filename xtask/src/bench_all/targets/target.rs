//! A promise and its outcome.

/// One promise and what became of it.
#[derive(Debug, Clone)]
pub(in crate::bench_all) struct Target {
    pub(in crate::bench_all) workload: &'static str,
    pub(in crate::bench_all) name: String,
    pub(in crate::bench_all) wanted: String,
    /// `None` when a side was not measured.
    pub(in crate::bench_all) measured: Option<String>,
    pub(in crate::bench_all) met: bool,
}

impl Target {
    /// A ratio that has to reach a number.
    pub(super) fn at_least(
        workload: &'static str,
        name: String,
        ratio: Option<f64>,
        least: f64,
    ) -> Self {
        Self {
            workload,
            name,
            wanted: format!("≥ {least}×"),
            met: ratio.is_some_and(|ratio| ratio >= least),
            measured: ratio.map(|ratio| format!("{ratio:.1}×")),
        }
    }

    /// A ratio that must not exceed a number.
    pub(super) fn at_most(
        workload: &'static str,
        name: String,
        ratio: Option<f64>,
        most: f64,
    ) -> Self {
        Self {
            workload,
            name,
            wanted: format!("≤ {most}×"),
            met: ratio.is_some_and(|ratio| ratio <= most),
            measured: ratio.map(|ratio| format!("{ratio:.2}×")),
        }
    }
}
