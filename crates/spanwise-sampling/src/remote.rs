//! The remote samplers, as settings.

#[cfg(feature = "jaeger")]
use crate::jaeger::JaegerSettings;
#[cfg(feature = "xray")]
use crate::xray::XraySettings;

/// The settings of a remote sampler of either protocol (`OTEL_TRACES_SAMPLER`: `jaeger_remote`,
/// `xray`).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RemoteSettings {
    #[cfg(feature = "jaeger")]
    /// Strategies of a Jaeger collector, or of another server with its protocol.
    Jaeger(JaegerSettings),
    #[cfg(feature = "xray")]
    /// Rules of AWS X-Ray, through its proxy.
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
