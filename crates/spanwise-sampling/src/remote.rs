//! Who says what is kept.

#[cfg(feature = "jaeger")]
use crate::jaeger::JaegerSettings;
#[cfg(feature = "xray")]
use crate::xray::XraySettings;

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
