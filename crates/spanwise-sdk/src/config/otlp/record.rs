//! The record of settings that only code can set: with the defaults of the transport.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::settings;
use spanwise_transport::Compression;
use std::time::Duration;

/// Records the settings of attempts.
pub(super) fn of_attempts(builder: &SpanwiseBuilder, environment: &Environment) {
    environment.effective(&settings::MAX_RESPONSE_BYTES, || {
        builder.max_response_bytes.unwrap_or(MAX_RESPONSE_BYTES).to_string()
    });
    environment.effective(&settings::CIRCUIT_BREAKER, || match &builder.circuit_breaker {
        Some(breaker) => format!("{breaker:?}"),
        None => "none".to_owned(),
    });
}

/// Records the settings of compression and cryptography.
pub(super) fn of_encoding(
    builder: &SpanwiseBuilder,
    environment: &Environment,
    compression: Compression,
) {
    if compression != Compression::None {
        environment.effective(&settings::COMPRESSION_LEVEL, || {
            builder.compression_level.unwrap_or(COMPRESSION_LEVEL).to_string()
        });
        environment.effective(&settings::COMPRESSION_THRESHOLD, || {
            builder.compression_threshold.unwrap_or(COMPRESSION_THRESHOLD).to_string()
        });
    }
    environment.effective(&settings::CRYPTO_PROVIDER, || {
        format!("{:?}", builder.crypto_provider.unwrap_or_default())
    });
}

// The defaults, which the provider passes to the transport.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const MAX_RESPONSE_BYTES: usize = 64 << 10;
pub(super) const COMPRESSION_LEVEL: i32 = 1;
pub(super) const COMPRESSION_THRESHOLD: usize = 1 << 10;
