//! The protocol and the endpoint of the OTLP exporter.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::redaction::shown_name;
use super::super::settings::{ENDPOINT, INSECURE, PROTOCOL};
use super::named::Named;
use spanwise_transport::{Endpoint, EndpointError, Protocol};

impl SpanwiseBuilder {
    pub(super) fn resolve_protocol(
        &self,
        environment: &Environment,
    ) -> Result<Named<Protocol>, BuildError> {
        if let Some(value) = self.protocol {
            return Ok(Named { setting: "with_protocol", value });
        }
        let Some((setting, name)) = environment.required_text(&PROTOCOL)? else {
            return Ok(Named { setting: "with_protocol", value: Protocol::default() });
        };
        match name.to_ascii_lowercase().parse() {
            Ok(value) => Ok(Named { setting, value }),
            Err(_) => Err(BuildError::setting(
                setting,
                shown_name(&name),
                format!("accepted are {}", PROTOCOL.kind.accepted()),
            )),
        }
    }

    /// `None` selects the transport's default, on this machine.
    pub(super) fn resolve_endpoint(
        &self,
        environment: &Environment,
        protocol: Protocol,
    ) -> Result<Option<Named<Endpoint>>, BuildError> {
        let grpc = |setting, url: &str| {
            // A scheme precedes the setting, which has no effect then.
            if url.contains("://") {
                return Endpoint::parse_grpc(setting, url, false);
            }
            let insecure = self.of_file.insecure || environment.switch(&INSECURE);
            environment.effective(&INSECURE, || insecure.to_string());
            Endpoint::parse_grpc(setting, url, insecure)
        };
        let (setting, url) = match &self.endpoint {
            Some(url) => ("with_endpoint", url.clone()),
            None => match environment.required_text(&ENDPOINT)? {
                Some(named) => named,
                None => return Ok(None),
            },
        };
        let value = match (protocol, &self.endpoint) {
            (Protocol::Grpc, _) => grpc(setting, &url),
            (_, Some(url)) => parse_origin(setting, url),
            _ if setting == ENDPOINT.generic_variable() => Endpoint::parse_base(setting, &url),
            _ => Endpoint::parse(setting, &url),
        }?;
        Ok(Some(Named { setting, value }))
    }
}

/// The URL of the code or of a file: unchanged, but the standard path is appended to a bare origin.
pub(in super::super) fn parse_origin(setting: &str, url: &str) -> Result<Endpoint, EndpointError> {
    let endpoint = Endpoint::parse(setting, url)?;
    if endpoint.path() == "/" { Endpoint::parse_base(setting, url) } else { Ok(endpoint) }
}

/// Reports `OTEL_EXPORTER_OTLP_INSECURE` where it has no effect.
pub(super) fn report_insecure(environment: &Environment, protocol: Protocol) {
    if protocol != Protocol::Grpc {
        environment.report_unused(&INSECURE, "over HTTP the scheme of the endpoint decides it");
    }
}
