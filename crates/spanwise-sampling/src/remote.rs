//! Who says what is kept.

#[cfg(feature = "jaeger")]
use crate::jaeger::JaegerSettings;
#[cfg(feature = "xray")]
use crate::xray::XraySettings;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Whom to ask what to keep, and how.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RemoteSettings {
    #[cfg(feature = "jaeger")]
    /// A Jaeger collector, or one that speaks its protocol.
    Jaeger(JaegerSettings),
    #[cfg(feature = "xray")]
    /// AWS X-Ray, by a proxy of it.
    Xray(XraySettings),
}

#[cfg(feature = "jaeger")]
impl From<JaegerSettings> for RemoteSettings {
    fn from(settings: JaegerSettings) -> Self {
        Self::Jaeger(settings)
    }
}

#[cfg(feature = "xray")]
impl From<XraySettings> for RemoteSettings {
    fn from(settings: XraySettings) -> Self {
        Self::Xray(settings)
    }
}

/// How often a collector is asked.
pub(crate) const POLLING: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(30 * 86_400);
