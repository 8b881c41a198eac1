//! The compression of the OTLP exporter.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::redaction::shown_name;
use super::super::settings::COMPRESSION;
use super::named::Named;
use spanwise_transport::Compression;

impl SpanwiseBuilder {
    /// # Errors
    /// The variable names no compression, or one that is not compiled in: requests would be sent in
    /// another form than the operator intended, at ten times the bytes.
    pub(super) fn resolve_compression(
        &self,
        environment: &Environment,
    ) -> Result<Named<Compression>, BuildError> {
        if let Some(value) = self.compression {
            return Ok(Named { setting: "with_compression", value });
        }
        let Some((setting, name)) = environment.required_text(&COMPRESSION)? else {
            return Ok(Named { setting: "with_compression", value: Compression::None });
        };
        match name.parse() {
            Ok(value) => Ok(Named { setting, value }),
            Err(_) => Err(BuildError::setting(
                setting,
                shown_name(&name),
                format!("accepted are {}", COMPRESSION.kind.accepted()),
            )),
        }
    }
}
