//! Who says what is kept.

use crate::jaeger::JaegerSettings;
use crate::xray::XraySettings;

/// Whom to ask what to keep, and how.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoteSettings {
    /// A Jaeger collector, or one that speaks its protocol.
    Jaeger(JaegerSettings),
    /// AWS X-Ray, by a proxy of it.
    Xray(XraySettings),
}

impl From<JaegerSettings> for RemoteSettings {
    fn from(settings: JaegerSettings) -> Self {
        Self::Jaeger(settings)
    }
}

impl From<XraySettings> for RemoteSettings {
    fn from(settings: XraySettings) -> Self {
        Self::Xray(settings)
    }
}
