//! The settings that the builders pass on to [`SpanwiseBuilder`](spanwise_sdk::SpanwiseBuilder).

/// Methods of `$builder` that set the same setting of its `settings`.
macro_rules! forwarded {
    ($builder:ident: $($(#[$attribute:meta])* $method:ident($($name:ident: $type:ty),*);)*) => {
        impl $builder {$(
            $(#[$attribute])*
            pub fn $method(mut self, $($name: $type),*) -> Self {
                self.settings = self.settings.$method($($name),*);
                self
            }
        )*}
    };
}

/// The settings of requests.
macro_rules! export_settings {
    ($builder:ident) => {
        crate::settings::forwarded! { $builder:
            /// The endpoint of requests (`OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT`): an `http` or `https` URL, or
            /// `unix:/path` for a Unix socket. For OTLP/HTTP a URL without a path gets `/v1/traces`. Default
            /// `http://localhost:4318/v1/traces`, or `http://localhost:4317` for gRPC.
            with_endpoint(url: impl Into<String>);
            /// The protocol of requests (`OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL`). Default
            /// `Protocol::HttpProtobuf`; `Protocol::Grpc` needs the feature `grpc`.
            with_protocol(protocol: spanwise_sdk::Protocol);
            /// Adds a header to each request (`OTEL_EXPORTER_OTLP_[TRACES_]HEADERS`), in place of one of the
            /// same name. Its value is never printed. All headers together have at most 16 KiB.
            with_header(name: impl Into<String>, value: impl Into<String>);
            /// Compression of requests (`OTEL_EXPORTER_OTLP_[TRACES_]COMPRESSION`). Default none;
            /// `Compression::Zstd` needs the feature `zstd`.
            with_compression(compression: spanwise_sdk::Compression);
            /// The level of the compression: gzip 1 to 9, zstd -7 to 9. Default 1.
            with_compression_level(level: i32);
            /// The size in bytes below which requests are sent uncompressed. Default 1 KiB, at most 64 MiB.
            with_compression_threshold(bytes: usize);
            /// Certificates to trust for `https` instead of the built-in roots, in PEM form: those of
            /// certificate authorities, or exactly the server's own.
            with_certificate_pem(pem: impl Into<Vec<u8>>);
            /// As [`with_certificate_pem`](Self::with_certificate_pem), from a PEM file
            /// (`OTEL_EXPORTER_OTLP_[TRACES_]CERTIFICATE`). A new connection reads it again once it has
            /// changed.
            with_certificate_file(path: impl Into<std::path::PathBuf>);
            /// Trusts the root certificates of the operating system for `https`. Needs the feature
            /// `system-roots`.
            with_system_roots();
            /// The implementation of the cryptography of `https`. Default `CryptoProvider::Ring`;
            /// `CryptoProvider::AwsLc` needs the feature `aws-lc`.
            with_crypto_provider(provider: spanwise_sdk::CryptoProvider);
            /// The certificate chain and the private key that the exporter presents to an `https` endpoint
            /// (mutual TLS), in PEM form. The key is not encrypted, and never printed.
            with_client_certificate_pem(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>);
            /// As [`with_client_certificate_pem`](Self::with_client_certificate_pem), from PEM files
            /// (`OTEL_EXPORTER_OTLP_[TRACES_]CLIENT_CERTIFICATE` and `_CLIENT_KEY`). A new connection reads
            /// them again once they have changed.
            with_client_certificate_files(certificates: impl Into<std::path::PathBuf>, key: impl Into<std::path::PathBuf>);
            /// Connects through an HTTP proxy, `http://[user:password@]host:port` (`HTTPS_PROXY`, `HTTP_PROXY`
            /// and `NO_PROXY`). Needs the feature `proxy`.
            with_proxy(url: impl Into<String>);
            /// Passes each request, an encoded `ExportTraceServiceRequest`, to `sink` instead of the network:
            /// as [`SpanwiseBuilder::with_sink`].
            with_sink(sink: impl spanwise_sdk::Sink);
            /// Changes spans, scopes and the resource by the rules of a `Redactor` before they are queued: as
            /// [`SpanwiseBuilder::with_redaction`]. Default: nothing is changed.
            #[cfg(feature = "redaction")]
            with_redaction(redactor: spanwise_redact::Redactor);
            /// Stores spans on disk while the receiver accepts none (`SPANWISE_SPOOL_DIRECTORY`): as
            /// [`SpanwiseBuilder::with_spool`]. Default: no spool.
            #[cfg(feature = "spool")]
            with_spool(settings: spanwise_sdk::SpoolSettings);
            /// The largest response of a receiver in bytes: 1 KiB to 64 MiB, default 64 KiB.
            with_max_response_bytes(bytes: usize);
            /// A circuit breaker for requests: after failed attempts in a row they wait, and one probe at a time is
            /// sent. Default none.
            with_circuit_breaker(breaker: impl Into<Option<spanwise_sdk::CircuitBreaker>>);
            /// The timeout of one attempt to deliver a request (`OTEL_EXPORTER_OTLP_[TRACES_]TIMEOUT`).
            /// Default 10 s, at least 1 ms; 0 is no limit.
            with_attempt_timeout(timeout: Duration);
            /// The timeout of a request with all its retries (`OTEL_BSP_EXPORT_TIMEOUT`). Default 60 s, at
            /// least 1 ms; 0 is no limit.
            with_export_timeout(timeout: Duration);
            /// The memory budget in bytes of encoded spans without an outcome, requests included
            /// (`SPANWISE_BUDGET_BYTES`). Default 16 MiB, 1 MiB to 16 GiB.
            with_budget_bytes(bytes: usize);
            /// The largest size of a request in bytes: at most 3.75 MiB, which is the default, at least
            /// 64 KiB. Receivers reject gRPC messages above 4 MiB.
            with_max_request_bytes(bytes: usize);
            /// The largest number of requests in flight. Default 4, 1 to 64.
            with_max_in_flight(requests: usize);
            /// Exports metrics about the exporter over OTLP, with the resource of the spans: as
            /// [`SpanwiseBuilder::with_metrics_export`]. Default off.
            with_metrics_export(export: spanwise_sdk::MetricsExport);
            /// The timeout of `shutdown` and `force_flush`. Default 5 s.
            with_shutdown_timeout(timeout: Duration);
            /// Reads variables from `lookup` instead of the process's environment.
            with_environment(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static);
            /// Sets the handler of diagnostics: losses, failed requests and ignored settings, at most twice
            /// a minute for each kind. Default: a line on standard error. It runs on a thread of its own.
            with_diagnostics(handler: impl Fn(&spanwise_sdk::Diagnostic) + Send + Sync + 'static);
        }
    };
}

/// The settings of the queue and of batches.
macro_rules! batch_settings {
    ($builder:ident) => {
        crate::settings::forwarded! { $builder:
            /// Settings of batching by name: `BatchPreset::Specification` has the defaults of the SDK's
            /// processor, 512 spans, 5 s, 2,048 spans and 30 s. A method that sets one of them precedes the
            /// preset, in whatever order they are called; the preset precedes the variables.
            with_batch_preset(preset: spanwise_sdk::BatchPreset);
            /// The algorithm that determines the size of batches, within the largest number of spans and
            /// bytes of a request. Default none: the size is fixed.
            with_batch_size(size: spanwise_sdk::BatchSize);
            /// The scheduled delay: the time an ended span waits at most before it is sent
            /// (`OTEL_BSP_SCHEDULE_DELAY`). Default 1 s, 1 ms to 30 days.
            with_scheduled_delay(delay: Duration);
            /// The largest number of spans of a request (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`). Default 8,192, 1
            /// to 1,048,576, at most the queue size. With a smaller number than the default, a request also
            /// leaves once that number of spans waits, or half of the queue.
            with_max_export_batch_size(spans: usize);
            /// The maximum queue size in spans (`OTEL_BSP_MAX_QUEUE_SIZE`), 16 to 16,777,216, beside the byte
            /// budget. Default no limit: only bytes count.
            with_max_queue_size(spans: usize);
            /// Decides about whole local traces which of them are exported, as [`SpanwiseBuilder::with_tail_sampling`].
            /// Spans that the sampler only records take part, so that a sampler that records all (`RecordOnly`,
            /// `AlwaysRecord`) leaves the flag of every span as it is.
            with_tail_sampling(tail: impl Into<spanwise_sdk::TailSampling>);
            /// Whether a full queue drops the span that ends, or its thread waits. Default
            /// [`OnFull::Drop`]. [`OnFull::ShedByTrace`] needs the native provider, which starts the spans.
            with_on_full(on_full: OnFull);
        }
    };
}

pub(crate) use {batch_settings, export_settings, forwarded};
