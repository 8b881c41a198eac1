//! [`RecordingSdk`]: the SDK in front of the exporter.

/// The SDK that records the spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RecordingSdk {
    /// Our own tracers.
    #[default]
    Native,
    /// The stock SDK, which has a resource, propagators and span limits of its own.
    StockSdk,
}

impl RecordingSdk {
    /// The crate in the user's `Cargo.toml` that has the features: errors name it.
    pub(super) fn crate_name(self) -> &'static str {
        match self {
            // This code cannot detect which of the two.
            Self::Native => "spanwise or spanwise-sdk",
            Self::StockSdk => "spanwise-opentelemetry",
        }
    }
}
