//! The settings that code has set.

use super::super::builder::SpanwiseBuilder;
use super::super::otlp::{ClientCertificate, Trust};
use super::super::production_preset;
use super::super::settings as of;
use super::recorder::Given;

impl SpanwiseBuilder {
    /// Each setting in code with its method. Called before a file is applied, which fills the same fields.
    pub(in super::super) fn given(&self) -> Given {
        let mut given = Given {
            methods: Vec::new(),
            resource_attributes: self.resource.len(),
            headers: self.headers.len(),
            destinations: self.destinations.len(),
        };
        self.given_by_provider(&mut given);
        self.given_by_network(&mut given);
        self.given_by_batching(&mut given);
        given
    }

    fn given_by_provider(&self, given: &mut Given) {
        #[cfg(any(feature = "jaeger", feature = "xray"))]
        let is_remote = self.remote_sampling.is_some();
        #[cfg(not(any(feature = "jaeger", feature = "xray")))]
        let is_remote = false;
        #[cfg(feature = "config-file")]
        given.add(self.config_file.is_some(), &[&of::CONFIG_FILE], "with_config_file");
        #[cfg(feature = "config-file")]
        given.add(
            self.config_file_watch.is_some(),
            &[&of::CONFIG_FILE_WATCH],
            "with_config_file_watch",
        );
        given.add(self.service_name.is_some(), &[&of::SERVICE_NAME], "with_service_name");
        let is_name = |it: &opentelemetry::KeyValue| it.key.as_str() == "service.name";
        let is_named = self.resource.iter().any(is_name);
        given.add(is_named, &[&of::SERVICE_NAME], "with_resource");
        given.add(self.detectors.is_some(), &[&of::RESOURCE_DETECTORS], "with_detectors");
        given.add(!self.schema_url.is_empty(), &[&of::SCHEMA_URL], "with_schema_url");
        given.add(self.propagators.is_some(), &[&of::PROPAGATORS], "with_propagators");
        let configurator = self.tracer_configurator.is_some();
        given.add(configurator, &[&of::TRACER_CONFIGURATOR], "with_tracer_configurator");
        given.add(self.log_level.is_some(), &[&of::LOG_LEVEL], "with_log_level");
        given.add(self.exporter.is_some(), &[&of::EXPORTER], "with_exporter");
        given.add(self.sampler.is_some(), &[&of::SAMPLER], "with_sampler");
        given.add(self.sampling_ratio.is_some(), &[&of::SAMPLER], "with_sampling_ratio");
        given.add(is_remote, &[&of::SAMPLER], "with_remote_sampling");
        given.add(self.is_production, &[&of::SAMPLER], production_preset::METHOD);
        let limits = [
            &of::ATTRIBUTES,
            &of::EVENTS,
            &of::LINKS,
            &of::EVENT_ATTRIBUTES,
            &of::LINK_ATTRIBUTES,
            &of::ATTRIBUTE_VALUE_LENGTH,
            &of::SPAN_BYTES,
        ];
        given.add(self.limits.is_some(), &limits, "with_span_limits");
        given.add(self.budget_bytes.is_some(), &[&of::BUDGET_BYTES], "with_budget_bytes");
        let configurator = self.tracer_configurator.is_some();
        given.add(configurator, &[&of::TRACER_CONFIGURATOR], "with_tracer_configurator");
        let waits_or_sheds = self.on_full != Default::default();
        given.add(waits_or_sheds, &[&of::ON_FULL], "with_on_full");
        let tail = self.tail_sampling.is_some();
        given.add(tail, &[&of::TAIL_SAMPLING], "with_tail_sampling");
        let spool = &self.spool;
        given.add(spool.directory.is_some(), &[&of::SPOOL_DIRECTORY], "with_spool");
        let bytes = spool.max_bytes.is_some();
        given.add(bytes, &[&of::SPOOL_MAX_BYTES], "SpoolSettings::with_max_bytes");
        let age = spool.max_age.is_some();
        given.add(age, &[&of::SPOOL_MAX_AGE], "SpoolSettings::with_max_age");
        given.add(self.span_metrics.is_some(), &[&of::SPAN_METRICS], "with_span_metrics");
        #[cfg(feature = "redaction")]
        given.add(self.redaction.is_some(), &[&of::REDACTION], "with_redaction");
        let timeout = self.shutdown_timeout.is_some();
        given.add(timeout, &[&of::SHUTDOWN_TIMEOUT], "with_shutdown_timeout");
    }

    fn given_by_network(&self, given: &mut Given) {
        given.add(self.sink.is_some(), &[&of::ENDPOINT], "with_sink");
        given.add(self.transport.is_some(), &[&of::ENDPOINT, &of::PROTOCOL], "with_transport");
        given.add(self.endpoint.is_some(), &[&of::ENDPOINT], "with_endpoint");
        given.add(self.protocol.is_some(), &[&of::PROTOCOL], "with_protocol");
        given.add(self.compression.is_some(), &[&of::COMPRESSION], "with_compression");
        let level = self.compression_level.is_some();
        given.add(level, &[&of::COMPRESSION_LEVEL], "with_compression_level");
        let threshold = self.compression_threshold.is_some();
        given.add(threshold, &[&of::COMPRESSION_THRESHOLD], "with_compression_threshold");
        given.add(self.attempt_timeout.is_some(), &[&of::TIMEOUT], "with_attempt_timeout");
        let response = self.max_response_bytes.is_some();
        given.add(response, &[&of::MAX_RESPONSE_BYTES], "with_max_response_bytes");
        let breaker = self.circuit_breaker.is_some();
        given.add(breaker, &[&of::CIRCUIT_BREAKER], "with_circuit_breaker");
        let provider = self.crypto_provider.is_some();
        given.add(provider, &[&of::CRYPTO_PROVIDER], "with_crypto_provider");
        if let Some(metrics) = &self.metrics_export {
            given.add(true, &[&of::METRICS_EXPORTER], "with_metrics_export");
            let interval = metrics.interval.is_some();
            given.add(interval, &[&of::METRIC_EXPORT_INTERVAL], "MetricsExport::with_interval");
            let settings = [
                &of::METRIC_EXPORT_TIMEOUT,
                &of::METRICS_ENDPOINT,
                &of::METRICS_PROTOCOL,
                &of::METRICS_HEADERS,
                &of::METRICS_COMPRESSION,
                &of::METRICS_TIMEOUT,
            ];
            for ((method, is_given), setting) in metrics.network().into_iter().zip(settings) {
                given.add(is_given, &[setting], method);
            }
        }
        given.add(self.proxy.is_some(), &[&of::HTTPS_PROXY, &of::HTTP_PROXY], "with_proxy");
        let trust = match &self.trust {
            Some(Trust::Pem(_)) => "with_certificate_pem",
            Some(Trust::File(_)) => "with_certificate_file",
            _ => "with_system_roots",
        };
        given.add(self.trust.is_some(), &[&of::CERTIFICATE], trust);
        let client = match &self.client_certificate {
            Some(ClientCertificate::Pem(..)) => "with_client_certificate_pem",
            _ => "with_client_certificate_files",
        };
        let settings = [&of::CLIENT_CERTIFICATE, &of::CLIENT_KEY];
        given.add(self.client_certificate.is_some(), &settings, client);
    }

    fn given_by_batching(&self, given: &mut Given) {
        given.add(self.scheduled_delay.is_some(), &[&of::SCHEDULE_DELAY], "with_scheduled_delay");
        given.add(self.export_timeout.is_some(), &[&of::EXPORT_TIMEOUT], "with_export_timeout");
        given.add(self.max_queue_size.is_some(), &[&of::MAX_QUEUE_SIZE], "with_max_queue_size");
        let spans = self.max_export_batch_size.is_some();
        given.add(spans, &[&of::MAX_EXPORT_BATCH_SIZE], "with_max_export_batch_size");
        if let Some((preset, method)) = self.selected_batch_preset() {
            given.add(true, &[&of::SCHEDULE_DELAY, &of::MAX_EXPORT_BATCH_SIZE], method);
            given.add(preset.max_queue_size().is_some(), &[&of::MAX_QUEUE_SIZE], method);
            given.add(preset.export_timeout().is_some(), &[&of::EXPORT_TIMEOUT], method);
        }
        given.add(self.batch_size.is_some(), &[&of::BATCH_SIZE], "with_batch_size");
        given.add(self.hold_back.is_some(), &[&of::HOLD_BACK], "with_hold_back");
        given.add(
            self.max_request_bytes.is_some(),
            &[&of::MAX_REQUEST_BYTES],
            "with_max_request_bytes",
        );
        given.add(self.max_in_flight.is_some(), &[&of::MAX_IN_FLIGHT], "with_max_in_flight");
    }
}

impl Given {
    /// Adds the settings that `method` has set. The first method of a setting counts.
    fn add(&mut self, is_given: bool, settings: &[&'static of::Setting], method: &'static str) {
        if is_given {
            self.methods.extend(settings.iter().map(|setting| (*setting, method)));
        }
    }
}
