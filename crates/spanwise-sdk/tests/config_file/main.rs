//! OpenTelemetry's declarative configuration: a file replaces the variables, and mistakes have their place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod mutated;
mod named_by_key;
mod page_keys;
mod production;
mod snippets;
#[path = "../support/mod.rs"]
mod support;

use opentelemetry::KeyValue;
use opentelemetry::trace::Tracer as _;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_receiver::{Collected, Receiver};
use spanwise_sdk::{BuildError, Spanwise, SpanwiseBuilder};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use support::{DiagnosticLog, LONG};

/// A file that is removed at the end of its test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(text: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("spanwise-config-{}-{number}.yaml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A builder that reads these variables.
fn with_variables(variables: &[(&str, &str)]) -> SpanwiseBuilder {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let variables: HashMap<String, String> = variables.iter().map(owned).collect();
    Spanwise::builder()
        .with_diagnostics(|_| {})
        .with_environment(move |name| variables.get(name).cloned())
}

fn build(text: &str) -> Result<Spanwise, BuildError> {
    let file = TempFile::new(text);
    with_variables(&[]).with_config_file(file.path()).build()
}

/// The error without the path of the file.
fn error(text: &str) -> String {
    let file = TempFile::new(text);
    let error = with_variables(&[]).with_config_file(file.path()).build().unwrap_err();
    error.to_string().replace(&file.path(), "otel.yaml")
}

fn finish(spanwise: &Spanwise, collected: &Collected) -> HashMap<String, Value> {
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    report.ledger.check().unwrap();
    assert_eq!(report.ledger.exported, collected.spans());
    let request = spanwise_testkit::decode(&collected.bodies()[0]);
    let resource = request.resource_spans[0].resource.clone().unwrap();
    let value = |attribute: opentelemetry_proto::tonic::common::v1::KeyValue| {
        Some((attribute.key, attribute.value?.value?))
    };
    resource.attributes.into_iter().filter_map(value).collect()
}

const PROVIDER: &str = "
file_format: \"1.1\"
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: ${ENDPOINT}/v1/traces
";

#[test]
fn a_file_replaces_the_variables_and_code_precedes_it() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let text = format!(
        "{PROVIDER}            headers:
              - name: api-key
                value: ${{KEY}}
            compression: gzip
  limits:
    attribute_count_limit: 2
  sampler:
    parent_based:
      root:
        always_on:
resource:
  attributes:
    - {{name: service.name, value: from-file}}
    - {{name: file, value: true, type: bool}}
    - {{name: both, value: [1, 2], type: int_array}}
"
    );
    let file = TempFile::new(&text);
    let (endpoint, path) = (receiver.http_endpoint(), file.path());
    let variables = [
        ("OTEL_CONFIG_FILE", &*path),
        ("ENDPOINT", &*endpoint),
        ("KEY", "secret"),
        // Without effect beside a file.
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_SERVICE_NAME", "from-variable"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://not.used:1"),
    ];
    let builder = with_variables(&variables).with_resource([KeyValue::new("code", 1)]);
    let spanwise = builder.build().unwrap();
    let tracer = spanwise.tracer("configured");
    let attributes = (0..5).map(|number| KeyValue::new(format!("key.{number}"), number));
    drop(tracer.span_builder("span").with_attributes(attributes).start(&tracer));
    assert_eq!(spanwise.batching().load().max_export_batch_size, 512);
    let resource = finish(&spanwise, &collected);
    assert_eq!(resource["service.name"], Value::StringValue("from-file".to_owned()));
    assert_eq!(resource["file"], Value::BoolValue(true));
    assert_eq!(resource["code"], Value::IntValue(1));
    let request = spanwise_testkit::decode(&collected.bodies()[0]);
    let span = spanwise_testkit::spans(&request).next().unwrap().clone();
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (2, 3));

    let (receiver, collected) = Receiver::collecting().unwrap();
    let builder = with_variables(&variables).with_service_name("from-code");
    let spanwise = builder.with_endpoint(receiver.http_endpoint()).build().unwrap();
    drop(spanwise.tracer("configured").start("span"));
    let resource = finish(&spanwise, &collected);
    assert_eq!(resource["service.name"], Value::StringValue("from-code".to_owned()));
}

#[test]
fn further_processors_are_destinations() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let lines = TempFile::new("");
    let text = format!(
        "{PROVIDER}    - simple:
        exporter:
          otlp_file/development:
            output_stream: file://{}
",
        lines.path()
    );
    let (file, endpoint) = (TempFile::new(&text), receiver.http_endpoint());
    let builder = with_variables(&[("ENDPOINT", &endpoint)]).with_config_file(file.path());
    let spanwise = builder.build().unwrap();
    (0..3).for_each(|_| drop(spanwise.tracer("configured").start("span")));
    finish(&spanwise, &collected);
    let written = std::fs::read_to_string(&lines.0).unwrap();
    assert_eq!(written.matches("\"traceId\"").count(), 3, "{written}");
}

#[test]
fn a_disabled_file_and_one_without_a_provider_export_nothing() {
    for text in [
        format!("{PROVIDER}disabled: true\n").replace("${ENDPOINT}", "http://localhost:1"),
        "file_format: \"1.1\"\n".to_owned(),
    ] {
        let spanwise = build(&text).unwrap();
        drop(spanwise.tracer("configured").start("span"));
        assert_eq!(spanwise.ledger().created, 0, "{text}");
    }
}

#[test]
fn every_mistake_has_its_place_and_nothing_starts() {
    let check = |text: &str, expected: &[&str]| {
        let error = error(text);
        assert_eq!(error.lines().collect::<Vec<_>>(), expected);
    };
    check(
        "file_format: \"2.0\"\ntracer_provider: {processors: [{simple: {exporter: {console: }}}]}",
        &["otel.yaml:1:14: file_format: the format is not known; accepted is \"1.1\""],
    );
    check(
        "tracer_provider: {processors: []}\n",
        &[
            "otel.yaml:1:1: file_format: it is required",
            "otel.yaml:1:31: tracer_provider.processors: at least one processor is required",
        ],
    );
    check(
        "file_format: \"1.1\"
resource: {atributes: []}
tracer_provider:
  processors:
    - batch:
        max_queue_size: 0
        max_export_batch_size: 9999
        exporter: {otlp_http: {endpoint: localhost:4318, compression: brotli}}
  sampler: {trace_id_ratio_based: {ratio: 1.5}}
",
        &[
            "otel.yaml:2:12: resource.atributes: unknown key; did you mean `attributes`?",
            "otel.yaml:6:25: tracer_provider.processors[0].batch.max_queue_size: a whole number from 1 to 16777216 is expected, not `0`",
            "otel.yaml:7:32: tracer_provider.processors[0].batch.max_export_batch_size: at most max_queue_size, 2048, is accepted",
            "otel.yaml:8:42: tracer_provider.processors[0].batch.exporter.otlp_http.endpoint: endpoint=`localhost:4318`: it has no scheme; write http://localhost:4318, or https://localhost:4318 for TLS",
            "otel.yaml:8:71: tracer_provider.processors[0].batch.exporter.otlp_http.compression: `brotli` is not known; accepted is `none`, `gzip` or `zstd`",
            "otel.yaml:9:43: tracer_provider.sampler.trace_id_ratio_based.ratio: a number from 0 to 1 is expected, not `1.5`",
        ],
    );
    let missing = "file_format: \"1.1\"
tracer_provider:
  processors:
    - simple: {exporter: {otlp_http: {tls: {ca_file: /no/such/ca.pem}, endpoint: https://h}}}
";
    let error = error(missing);
    let place =
        "otel.yaml:4:54: tracer_provider.processors[0].simple.exporter.otlp_http.tls.ca_file: ";
    assert!(error.starts_with(place) && error.contains("/no/such/ca.pem"), "{error}");
    let no_file =
        with_variables(&[("OTEL_CONFIG_FILE", "/no/such/otel.yaml")]).build().unwrap_err();
    let expected = "/no/such/otel.yaml:1:1: the file cannot be read: ";
    assert!(no_file.to_string().starts_with(expected), "{no_file}");
}

#[test]
fn parts_without_effect_are_reported() {
    let log = DiagnosticLog::default();
    let text = format!(
        "{PROVIDER}meter_provider: {{readers: []}}
log_level: info
propagator: {{composite: [tracecontext: , b3: ], composite_list: \"baggage,xray\"}}
"
    );
    let file = TempFile::new(&text.replace("${ENDPOINT}", "http://localhost:1"));
    let builder = with_variables(&[]).with_config_file(file.path());
    let _spanwise = log.attach(builder).build().unwrap();
    let lines = log.lines().join("\n");
    for expected in [
        ":9:17: meter_provider: it has no effect: Spanwise exports traces alone",
        "propagator.composite[1].b3: the propagator b3 is not supported; tracecontext and baggage are",
        "propagator.composite_list: the propagator xray is not supported",
        "propagator of the configuration file has no effect: build sets no globals",
    ] {
        assert!(lines.contains(expected), "{expected}: {lines}");
    }
}

/// The settings of the file alone are in force, and each has an effect.
#[test]
fn a_file_exporter_reports_nothing_and_a_disabled_one_creates_no_file() {
    let lines = TempFile::new("");
    std::fs::remove_file(&lines.0).unwrap();
    for is_disabled in [true, false] {
        let log = DiagnosticLog::default();
        let text = format!(
            "file_format: \"1.1\"
disabled: {is_disabled}
tracer_provider:
  processors:
    - batch: {{exporter: {{otlp_file/development: {{output_stream: file://{}}}}}}}
",
            lines.path()
        );
        let file = TempFile::new(&text);
        let builder = with_variables(&[]).with_config_file(file.path());
        let spanwise = log.attach(builder).build().unwrap();
        assert_eq!(lines.0.exists(), !is_disabled);
        assert_eq!(log.lines(), Vec::<String>::new());
        drop(spanwise);
    }
}

/// Each sampler of the schema, and its description.
#[test]
fn samplers() {
    let sampler = |text: &str| {
        let provider = PROVIDER.replace("${ENDPOINT}", "http://localhost:1");
        let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
        build(&format!("{provider}  sampler:\n{indented}"))
    };
    for valid in [
        "always_on:",
        "always_off: {}",
        "trace_id_ratio_based: {ratio: 0.25}",
        "probability/development: {ratio: 0.001}",
        "parent_based:\n  root: {trace_id_ratio_based: {ratio: 0.1}}\n  local_parent_not_sampled: {always_off: }",
        "composite/development: {parent_threshold: {root: {probability: {ratio: 0.5}}}}",
        "composite/development:
  rule_based:
    rules:
      - attribute_values: {key: http.route, values: [/healthz, /livez]}
        sampler: {always_off: }
      - attribute_patterns: {key: http.path, included: [/internal/*], excluded: [/internal/special/*]}
        sampler: {always_on: }
      - parent: [none]
        span_kinds: [client]
        sampler: {probability: {ratio: 0.05}}
      - sampler: {probability: {ratio: 0.001}}",
    ] {
        sampler(valid).unwrap();
    }
    for invalid in [
        "always_on: {ratio: 1}",
        "{always_on: , always_off: }",
        "sometimes:",
        "composite/development: {rule_based: {}}",
        "composite/development: {rule_based: {rules: [{span_kinds: [clint], sampler: {always_on: }}]}}",
        "parent_based: {local_parent_sampled: {jaeger_remote/development: {endpoint: h, initial_sampler: {always_on: }}}}",
    ] {
        sampler(invalid).unwrap_err();
    }
}

/// `tracer_configurator/development`, also under the name of the next version.
#[test]
fn a_file_disables_tracers() {
    let check = |configurator: &str, expected: [bool; 3]| {
        for key in ["tracer_configurator/development", "tracer_configurator"] {
            let provider = PROVIDER.replace("${ENDPOINT}", "http://localhost:1");
            let spanwise = build(&format!("{provider}  {key}: {configurator}\n")).unwrap();
            let enabled = ["io.shop.orders", "io.shop", "other"].map(|name| {
                let tracer = spanwise.tracer(name);
                tracer.root("span", spanwise_sdk::SpanKind::Internal).is_recording()
            });
            assert_eq!(enabled, expected, "{configurator}");
        }
    };
    check("{default_config: {enabled: false}}", [false; 3]);
    check(
        "{default_config: {enabled: false}, tracers: [{name: io.shop.*, config: {enabled: true}}]}",
        [true, false, false],
    );
    check("{tracers: [{name: io.shop, config: {disabled: true}}]}", [true, false, true]);
    check("{tracers: [{name: 'io.sh?p*', config: {enabled: false}}]}", [false, false, true]);
    check(
        "{tracers: [{name: io.shop, config: {}}, {name: '*', config: {enabled: false}}]}",
        [false, true, false],
    );
    check("{}", [true; 3]);
    let place = "otel.yaml:9:36: tracer_provider.tracer_configurator/development";
    for (configurator, expected) in [
        ("{default_config: {enable: true}}", ":9:54: "),
        ("{default_config: {enabled: true, disabled: true}}", ":9:79: "),
        ("{tracers: [{name: a}]}", ".tracers[0].config: it is required"),
        ("{tracers: [{config: {enabled: true}}]}", ".tracers[0].name: it is required"),
    ] {
        let text = format!("{PROVIDER}  tracer_configurator/development: {configurator}\n");
        let error = error(&text.replace("${ENDPOINT}", "http://localhost:1"));
        assert!(error.contains(expected), "{place}: {error}");
    }
}

#[test]
fn a_file_chooses_among_detected_attributes() {
    let keys = |attributes: &str| {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let text = format!(
            "{PROVIDER}resource: {{detection/development: {{detectors: [process: , host: ], attributes: {attributes}}}}}\n"
        );
        let file = TempFile::new(&text);
        let endpoint = receiver.http_endpoint();
        let builder = with_variables(&[("ENDPOINT", &endpoint)]).with_config_file(file.path());
        let spanwise = builder.build().unwrap();
        drop(spanwise.tracer("configured").start("span"));
        let resource = finish(&spanwise, &collected);
        ["process.pid", "process.executable.name", "os.type", "service.name"]
            .map(|key| resource.contains_key(key))
    };
    assert_eq!(keys("{}"), [true; 4]);
    assert_eq!(keys("{included: [process.*]}"), [true, true, false, true]);
    assert_eq!(
        keys("{included: ['process.*'], excluded: [process.p?d]}"),
        [false, true, false, true]
    );
    assert_eq!(keys("{excluded: ['*']}"), [false, false, false, true]);
    let empty =
        "file_format: '1.1'\nresource: {detection/development: {attributes: {included: []}}}\n";
    assert!(error(empty).contains("included: at least one pattern is required"));
}

/// The file is not read beyond the bound, so that the process does not grow with it.
#[test]
fn a_file_of_100_mib_is_refused_and_takes_no_memory() {
    let file = TempFile::new(PROVIDER);
    std::fs::OpenOptions::new().write(true).open(&file.0).unwrap().set_len(100 << 20).unwrap();
    let before = peak_bytes();
    let error = with_variables(&[]).with_config_file(file.path()).build().unwrap_err();
    let expected = "otel.yaml:1:1: the file has more than 1048576 bytes";
    assert_eq!(error.to_string().replace(&file.path(), "otel.yaml"), expected);
    // Other tests of this process run meanwhile.
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "the process has grown by {grown} bytes");
}

/// The largest resident memory of the process so far; 0 on systems without `/proc`.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}
