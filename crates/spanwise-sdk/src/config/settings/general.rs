//! Settings of the provider as a whole, its resource, its propagators and its sampler.

use super::batching::MONTH;
use super::rows;
use super::setting::{Setting, SettingType as Type};
use spanwise_worker::clock::ClockMode;

rows! {
    SDK_DISABLED = Setting::new(
        &["OTEL_SDK_DISABLED"],
        Type::Boolean,
        "false",
        "Disables the SDK: spans are neither recorded nor exported, and propagators work.",
    )
    .in_file(&["disabled"]);
    CONFIG_FILE = Setting::new(
        &["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"],
        Type::Path,
        "none",
        "Names a file of OpenTelemetry's declarative configuration, which replaces the other `OTEL_*` variables.",
    )
    .in_code(&["with_config_file"])
    .remark("a YAML file of schema 1.1, with the feature `config-file`");
    CONFIG_FILE_WATCH = Setting::new(
        &[],
        Type::Milliseconds { min: 1_000, max: MONTH },
        "none",
        "Examines the configuration file at this interval, and reloads it once its content has changed.",
    )
    .in_code(&["with_config_file_watch"]);
    LOG_LEVEL = Setting::new(
        &["OTEL_LOG_LEVEL"],
        Type::Name(&["trace", "debug", "info", "warn", "error", "fatal"]),
        "info",
        "Sets the least severe level of the diagnostics that are printed to standard error.",
    )
    .in_code(&["with_log_level"])
    .in_file(&["log_level"])
    .remark("a handler of `with_diagnostics` receives all of them");
    SERVICE_NAME = Setting::new(
        &["OTEL_SERVICE_NAME"],
        Type::Text,
        "unknown_service:<program>",
        "Sets the resource attribute `service.name`.",
    )
    .in_code(&["with_service_name"])
    .in_file(&["resource.attributes", "resource.attributes_list"])
    .remark("the resource has at most 64 KiB, encoded");
    RESOURCE_ATTRIBUTES = Setting::new(
        &["OTEL_RESOURCE_ATTRIBUTES"],
        Type::Pairs,
        "none",
        "Adds attributes to the resource.",
    )
    .in_code(&["with_resource"])
    .in_file(&["resource.attributes", "resource.attributes_list"])
    .remark("the resource has at most 64 KiB, encoded; a wrong entry discards the list");
    RESOURCE_DETECTORS = Setting::new(
        // The specification defines no variable for detectors, but the prefix of variables of one language.
        &["OTEL_RUST_RESOURCE_DETECTORS"],
        Type::Names(&[
            "process",
            "processcommand",
            "host",
            "os",
            "container",
            "serviceinstance",
            "all",
            "none",
        ]),
        "none",
        "Selects the detectors whose attributes the resource has.",
    )
    .in_code(&["with_detectors"])
    .in_file(&["resource.detection/development.detectors"])
    .remark("the name `all` selects all but `processcommand`");
    SCHEMA_URL = Setting::new(&[], Type::Url, "none", "Sets the schema URL of the resource.")
        .in_code(&["with_schema_url"])
        .in_file(&["resource.schema_url"]);
    PROPAGATORS = Setting::new(
        &["OTEL_PROPAGATORS"],
        Type::Names(&["tracecontext", "baggage", "none"]),
        "tracecontext,baggage",
        "Selects the global propagators, which `init` sets.",
    )
    .in_code(&["with_propagators"])
    .in_file(&["propagator.composite", "propagator.composite_list"]);
    EXPORTER = Setting::new(
        &["OTEL_TRACES_EXPORTER"],
        Type::Names(&["otlp", "none"]),
        "otlp",
        "Selects the exporter; `none` leaves ids, sampling and propagation as they are and sends nothing.",
    )
    .in_code(&["with_exporter"])
    .in_file(&["tracer_provider.processors"]);
    SAMPLER = Setting::new(
        &["OTEL_TRACES_SAMPLER"],
        Type::Name(&[
            "always_on",
            "always_off",
            "traceidratio",
            "jaeger_remote",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
            "parentbased_jaeger_remote",
            "xray",
        ]),
        "parentbased_always_on",
        "Selects the sampler.",
    )
    .in_code(&["with_sampler", "with_sampling_ratio", "with_remote_sampling", "with_production_preset"])
    .in_file(&["tracer_provider.sampler"])
    .remark("the sampler `xray` is parent-based; the remote ones need the feature `jaeger` or `xray`");
    SAMPLER_ARG = Setting::new(
        &["OTEL_TRACES_SAMPLER_ARG"],
        Type::Text,
        "none",
        "Sets the argument of the sampler that `OTEL_TRACES_SAMPLER` selects.",
    )
    .remark(
        "a ratio, 0 or 2^-56 to 1, default 1; for `jaeger_remote` \
         `endpoint=http://localhost:5778/sampling,pollingIntervalMs=60000,initialSamplingRate=0.001`; for `xray` \
         `endpoint=http://127.0.0.1:2000,polling_interval=300`",
    );
    TRACER_CONFIGURATOR = Setting::new(
        &[],
        Type::Code,
        "none",
        "Computes the settings of each tracer: a disabled one makes no spans.",
    )
    .in_code(&["with_tracer_configurator"])
    .in_file(&["tracer_provider.tracer_configurator/development"]);
    BUDGET_BYTES = Setting::new(
        &["SPANWISE_BUDGET_BYTES"],
        Type::Integer { min: 1 << 20, max: 16 << 30, unit: "bytes" },
        "16777216",
        "Limits the memory of ended spans without an outcome, requests included.",
    )
    .in_code(&["with_budget_bytes"])
    .remark("the default in a container with less than 512 MiB is a 32nd of its memory");
    ON_FULL = Setting::new(
        &[],
        Type::Code,
        "Drop",
        "Selects whether a full queue refuses spans, lets their end wait, or sheds whole traces.",
    )
    .in_code(&["with_on_full"]);
    TAIL_SAMPLING = Setting::new(
        &["SPANWISE_TAIL_SAMPLING_FILE"],
        Type::Path,
        "none",
        "Decides about whole local traces which of them are exported; all spans are recorded.",
    )
    .in_code(&["with_tail_sampling"])
    .remark(
        "a YAML file with the block `tail_sampling` of the Collector, with the feature `tail-sampling`; a function in code needs no feature",
    );
    SPAN_METRICS = Setting::new(
        &[],
        Type::Code,
        "none",
        "Counts all spans, sampled or not, and records their durations by name, kind, status and attributes.",
    )
    .in_code(&["with_span_metrics"])
    .remark("their memory, at most a quarter of it, is taken from the budget");
    REDACTION = Setting::new(
        &["SPANWISE_REDACTION_FILE"],
        Type::Path,
        "none",
        "Changes attributes, names and status messages by rules before anything else sees a span.",
    )
    .in_code(&["with_redaction"])
    .in_file(&["distribution.spanwise.redaction"])
    .remark(
        "a YAML file with a section `redaction`, or a processor `redaction` or `attributes` of the Collector, with the feature `redaction`",
    );
    SPOOL_DIRECTORY = Setting::new(
        &["SPANWISE_SPOOL_DIRECTORY"],
        Type::Path,
        "none",
        "Stores spans in this directory while the receiver accepts none, and sends them again in order.",
    )
    .in_code(&["with_spool"])
    .in_file(&["distribution.spanwise.spool.directory"])
    .remark("a directory of the process alone, with the feature `spool`");
    SPOOL_MAX_BYTES = Setting::new(
        &["SPANWISE_SPOOL_MAX_BYTES"],
        Type::Integer { min: 1 << 20, max: u64::MAX, unit: "bytes" },
        "1073741824",
        "Limits the bytes of the spool, of which the oldest are removed first.",
    )
    .in_code(&["SpoolSettings::with_max_bytes"])
    .in_file(&["distribution.spanwise.spool.max_bytes"]);
    SPOOL_MAX_AGE = Setting::new(
        &["SPANWISE_SPOOL_MAX_AGE"],
        Type::Milliseconds { min: 1_000, max: u64::MAX },
        "259200000",
        "Limits the age of spans in the spool.",
    )
    .in_code(&["SpoolSettings::with_max_age"])
    .in_file(&["distribution.spanwise.spool.max_age"]);
    SHUTDOWN_TIMEOUT = Setting::new(
        &[],
        Type::Milliseconds { min: 0, max: u64::MAX },
        "5000",
        "Limits a flush and a shutdown.",
    )
    .in_code(&["with_shutdown_timeout"]);
    ADMIN_ADDRESS = Setting::new(
        &["SPANWISE_ADMIN_ADDRESS"],
        Type::Text,
        "none",
        "Sets the loopback address of the endpoint with metrics and a live page that `spanwise::init` starts.",
    )
    .remark("such as `127.0.0.1:9464`, with the feature `admin`; in code it is an `AdminEndpoint`");
    CLOCK = Setting::new(
        &[ClockMode::VARIABLE],
        Type::Name(&["auto", "monotonic"]),
        "auto",
        "Selects the clock of spans for the whole process; `monotonic` does without the processor's counter.",
    );
}
