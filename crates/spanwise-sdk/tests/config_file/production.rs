//! The production file: sampling, batching and the container's resources.

use crate::support::DiagnosticLog;
use crate::{TempFile, error, finish, with_variables};
use opentelemetry::trace::Tracer as _;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_receiver::Receiver;

const PRODUCTION: &str = "
sampling:
  rate: 0.1
batch:
  size: 1000
  timeout: 5s
  queue_size: 2048
resources:
  cpu_limit: \"2\"
  memory_limit: 1Gi
";

#[test]
fn a_production_file_sets_sampling_and_batching_and_leaves_the_other_variables() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (file, log, endpoint) =
        (TempFile::new(PRODUCTION), DiagnosticLog::default(), receiver.http_endpoint());
    let path = file.path();
    let variables = [
        ("OTEL_CONFIG_FILE", &*path),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_SERVICE_NAME", "from-variable"),
        // The file precedes these.
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "99"),
    ];
    let spanwise = log.attach(with_variables(&variables)).build().unwrap();
    assert!(format!("{spanwise:?}").contains("0.1"), "{spanwise:?}");
    let config = spanwise.batching().load();
    assert_eq!((config.max_export_batch_size, config.max_queue_size), (1000, Some(2048)));
    assert_eq!((config.scheduled_delay.as_millis(), config.max_in_flight), (5_000, 4));
    assert_eq!(
        log.lines(),
        [
            "OTEL_TRACES_SAMPLER has no effect: the configuration file has sampling.rate",
            "OTEL_BSP_MAX_QUEUE_SIZE has no effect: the configuration file has batch.queue_size",
        ]
    );
    (0..200).for_each(|_| drop(spanwise.tracer("configured").start("span")));
    let exported = spanwise.force_flush().unwrap().ledger;
    assert!(exported.sampled_out > 100 && exported.exported > 0, "{exported:?}");
    let resource = finish(&spanwise, &collected);
    assert_eq!(resource["service.name"], Value::StringValue("from-variable".to_owned()));
}

#[test]
fn code_precedes_a_production_file() {
    let file = TempFile::new(PRODUCTION);
    let builder = with_variables(&[]).with_config_file(file.path());
    let builder = builder.with_max_queue_size(100).with_sampling_ratio(0.5);
    let spanwise = builder.clone().with_max_in_flight(9).build().unwrap();
    let config = spanwise.batching().load();
    assert_eq!((config.max_export_batch_size, config.max_queue_size), (100, Some(100)));
    assert_eq!(config.max_in_flight, 9);
    assert!(format!("{spanwise:?}").contains("0.5"), "{spanwise:?}");
    let preset = builder.with_batch_preset(spanwise_sdk::BatchPreset::LowLatency);
    assert_eq!(preset.build().unwrap().batching().load().max_export_batch_size, 100);
}

#[test]
fn the_resources_of_a_production_file_reduce_the_defaults() {
    let reports = |text: &str, budget: Option<usize>| {
        let (file, log) = (TempFile::new(text), DiagnosticLog::default());
        let mut builder = with_variables(&[]).with_config_file(file.path());
        if let Some(bytes) = budget {
            builder = builder.with_budget_bytes(bytes);
        }
        drop(log.attach(builder).build().unwrap());
        log.lines()
    };
    let small = "resources: {cpu_limit: 500m, memory_limit: 200M}";
    let lines = reports(small, None);
    assert!(lines[0].starts_with("the limit of processors is 0.5: 2 requests"), "{lines:?}");
    let expected = "the memory limit is 200000000 bytes: the budget is 6250000 bytes";
    assert!(lines[1].starts_with(expected), "{lines:?}");
    assert_eq!(reports(small, Some(1 << 20)).len(), 1);
    for large in ["1073741824", "512Mi", "0.5Gi", "1e9", "4Ti"] {
        let text = format!("resources: {{cpu_limit: 1.0, memory_limit: {large}}}");
        assert_eq!(reports(&text, None), Vec::<String>::new(), "{large}");
    }
}

#[test]
fn a_batch_above_the_queue_of_a_variable_is_reported_with_its_line() {
    let file = TempFile::new("batch:\n  size: 5000\n");
    let log = DiagnosticLog::default();
    let builder = with_variables(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")]);
    let spanwise = log.attach(builder).with_config_file(file.path()).build().unwrap();
    assert_eq!(spanwise.batching().load().max_export_batch_size, 100);
    let lines = log.lines().join("\n").replace(&file.path(), "prod.yaml");
    let expected = "prod.yaml:2:9: batch.size: `5000` is ignored: at most OTEL_BSP_MAX_QUEUE_SIZE is accepted; a request \
                    has up to 100 spans";
    assert_eq!(lines, expected);
}

#[test]
fn every_mistake_of_a_production_file_has_its_place() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(error(text).lines().collect::<Vec<_>>(), expected);
    };
    check(
        "samplin: {rate: 1}\nbatch: {size: 3000, timeout: 5, queue_size: 2048, queue_sise: 1}\nresources:\n  memory_limit: 400m\n  cpu_limit: two\n",
        &[
            "otel.yaml:1:1: samplin: unknown key; did you mean `sampling`?",
            "otel.yaml:2:15: batch.size: at most queue_size, 2048, is accepted",
            "otel.yaml:2:30: batch.timeout: a duration with its unit, from 1ms to 720h (such as 5s or 500ms), is expected, not `5`",
            "otel.yaml:2:51: batch.queue_sise: unknown key; did you mean `queue_size`?",
            "otel.yaml:4:17: resources.memory_limit: a number of bytes from 1Mi to 1Pi (such as 512Mi, 200M or 1Gi) is expected, not `400m`",
            "otel.yaml:5:14: resources.cpu_limit: a number of processors from 1m to 4096 (such as 2, 0.5 or 500m) is expected, not `two`",
        ],
    );
    check(
        "sampling: {rate: 1.5}\nbatch: {size: 0, queue_size: 15}\n",
        &[
            "otel.yaml:1:18: sampling.rate: a number from 0 to 1 is expected, not `1.5`",
            "otel.yaml:2:15: batch.size: a whole number from 1 to 1048576 is expected, not `0`",
            "otel.yaml:2:30: batch.queue_size: a whole number from 16 to 16777216 is expected, not `15`",
        ],
    );
    check(
        "rate: 0.1\n",
        &[
            "otel.yaml:1:1: a file of OpenTelemetry's declarative configuration has the key `file_format`",
            "otel.yaml:1:1: rate: unknown key; accepted is `sampling`, `batch`, `resources`, `redaction`, `file_format`, `resource`, `propagator` or `tracer_provider`",
        ],
    );
    for (slip, key) in [("file_fromat", "file_format"), ("samplng", "sampling")] {
        let error = error(&format!("{slip}: 1\n"));
        assert!(error.ends_with(&format!("did you mean `{key}`?")), "{error}");
    }
    check(
        "[]\n",
        &["otel.yaml:1:1: a mapping (lines of `key: value`) is expected, not a sequence"],
    );
    check("{}\n", &["otel.yaml:1:1: file_format: it is required"]);
}

/// The preset is code: the file counts for its limits of the container alone.
#[test]
fn the_production_preset_in_code_precedes_the_file() {
    let text = "sampling:\n  rate: 1\nbatch:\n  size: 10\n  timeout: 1s\nresources:\n  memory_limit: 64Mi\n";
    let file = TempFile::new(text);
    let builder = with_variables(&[]).with_config_file(file.path()).with_production_preset();
    let explanation = builder.explain().unwrap();
    let value = |name: &str| explanation.get(name).unwrap().value.clone();
    assert_eq!(
        ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY", "SPANWISE_BUDGET_BYTES"]
            .map(value),
        ["1000", "5000", "2097152"]
    );
    let sampler = explanation.get("OTEL_TRACES_SAMPLER").unwrap();
    assert_eq!(sampler.origin.to_string(), "code: with_production_preset");
}
