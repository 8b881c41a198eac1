//! Explanations of a declarative file: the line of each field, and no file that is opened for writing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use spanwise_sdk::settings::{Explanation, Origin};
use spanwise_sdk::{Spanwise, SpanwiseBuilder};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "\
file_format: \"1.1\"
resource:
  attributes:
    - { name: service.name, value: shop }
attribute_limits:
  attribute_count_limit: 9
log_level: info
tracer_provider:
  processors:
    - batch:
        schedule_delay: 250
        exporter:
          otlp_http:
            endpoint: ${COLLECTOR}/v1/${TRACES:-traces}
            headers:
              - { name: api-key, value: \"${KEY}\" }
            compression: gzip
    - simple:
        exporter:
          otlp_file/development: { output_stream: file:///ARCHIVE }
  limits:
    event_count_limit: 3
  sampler:
    always_off:
";

/// A folder that is removed at the end of its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("otel.yaml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn builder() -> SpanwiseBuilder {
    let variables = [("COLLECTOR", "http://collector:4318"), ("KEY", "hunter2")];
    Spanwise::builder().with_diagnostics(|_| {}).with_environment(move |name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

/// The value and the printed origin, without the path of the file.
fn effective(explanation: &Explanation, name: &str, file: &Path) -> (String, String) {
    let row = explanation.get(name).unwrap_or_else(|| panic!("{name}: {explanation}"));
    let origin = row.origin.to_string().replace(&file.display().to_string(), "otel.yaml");
    (row.value.clone(), origin)
}

#[test]
fn each_setting_of_a_file_has_its_line_and_its_variables() {
    let folder = Folder::new("explained");
    let archive = folder.0.join("traces.jsonl");
    let archive_path = archive.display().to_string();
    let text = FILE.replace("/ARCHIVE", &archive_path);
    let file = folder.file(&text);
    let builder = builder()
        .with_config_file(&file)
        .with_config_file_watch(Duration::from_secs(10))
        .with_attempt_timeout(Duration::from_secs(2))
        .with_header("x-code", "hunter2");
    let explanation = builder.explain().unwrap();
    let processor = "tracer_provider.processors[0].batch";
    for (name, value, origin) in [
        ("OTEL_CONFIG_FILE", file.display().to_string(), "code: with_config_file".to_owned()),
        ("with_config_file_watch", "10000".into(), "code: with_config_file_watch".into()),
        ("OTEL_SERVICE_NAME", "shop".into(), "otel.yaml:3: resource.attributes".into()),
        (
            "OTEL_BSP_SCHEDULE_DELAY",
            "250".into(),
            format!("otel.yaml:11: {processor}.schedule_delay"),
        ),
        // The default of the schema, and not that of the builder.
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2048".into(), "default".into()),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://collector:4318/v1/traces".into(),
            format!(
                "otel.yaml:14: {processor}.exporter.otlp_http.endpoint, by COLLECTOR and TRACES"
            ),
        ),
        (
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "gzip".into(),
            format!("otel.yaml:17: {processor}.exporter.otlp_http.compression"),
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000".into(), "code: with_attempt_timeout".into()),
        (
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            "3".into(),
            "otel.yaml:22: tracer_provider.limits.event_count_limit".into(),
        ),
        (
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
            "9".into(),
            "otel.yaml:6: attribute_limits.attribute_count_limit".into(),
        ),
        (
            "with_destination",
            archive_path.clone(),
            "otel.yaml:18: tracer_provider.processors[1]".into(),
        ),
        ("SPANWISE_BUDGET_BYTES", "16777216".into(), "default".into()),
    ] {
        assert_eq!(effective(&explanation, name, &file), (value, origin), "{name}");
    }
    let sampler = explanation.get("OTEL_TRACES_SAMPLER").unwrap();
    assert!(matches!(sampler.origin, Origin::File { line: 23, .. }), "{sampler}");
    let budgets =
        explanation.iter().filter(|row| row.setting.methods.contains(&"with_budget_bytes"));
    assert_eq!(budgets.count(), 1);
    let headers = explanation.iter().filter(|row| row.setting.methods.contains(&"with_header"));
    let headers: Vec<_> = headers.map(ToString::to_string).collect();
    assert!(headers.len() == 2 && headers[0].contains("api-key=[redacted]"), "{headers:?}");
    for text in [explanation.to_string(), explanation.to_json(), format!("{explanation:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(!archive.exists(), "an explanation opens no file for writing");
    // A build opens it.
    let built = builder.build().unwrap();
    assert!(archive.exists());
    built.shutdown().unwrap();
}

#[test]
fn variables_that_the_file_replaces_are_reported_in_one_line() {
    let folder = Folder::new("replaced");
    let file = folder.file(
        "file_format: \"1.1\"\nresource: { attributes: [ { name: service.name, value: \"${OTEL_SERVICE_NAME}\" } ] }\ntracer_provider: { processors: [ { simple: { exporter: { console: } } } ] }\n",
    );
    let reports = |variables: &'static [&'static str]| {
        let builder = Spanwise::builder().with_environment(|name| {
            let is_set = variables.contains(&name) || name == "OTEL_EXPERIMENTAL_CONFIG_FILE";
            is_set.then(|| "2000000".to_owned())
        });
        let explanation = builder.with_config_file(&file).explain().unwrap();
        explanation.reports().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // The file refers to the name; the budget is no variable of the specification; metrics are another signal.
    let silent = &["OTEL_SERVICE_NAME", "SPANWISE_BUDGET_BYTES", "OTEL_METRIC_EXPORT_INTERVAL"];
    assert_eq!(reports(silent), [""; 0]);
    assert_eq!(
        reports(&[
            "OTEL_SERVICE_NAME",
            "OTEL_BSP_SCHEDULE_DELAY",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_SDK_DISABLED"
        ]),
        [
            "OTEL_SDK_DISABLED has no effect: the configuration file replaces the OTEL_* variables, also \
             OTEL_BSP_SCHEDULE_DELAY, OTEL_EXPORTER_OTLP_HEADERS; they count where it has them as ${NAME}"
        ]
    );
    assert_eq!(
        reports(&["OTEL_TRACES_SAMPLER", "OTEL_SERVICE_NAME"]),
        [
            "OTEL_TRACES_SAMPLER has no effect: the configuration file replaces the OTEL_* variables; they count where it \
             has them as ${NAME}"
        ]
    );
}

#[cfg(feature = "grpc")]
#[test]
fn the_line_of_insecure_has_the_value_that_is_in_force() {
    let folder = Folder::new("insecure");
    let explained = |endpoint: &str, insecure: bool| {
        let file = folder.file(&format!(
            "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - batch:\n        exporter:\n          otlp_grpc:\n\
             {PAD}endpoint: {endpoint}\n{PAD}tls:\n{PAD}  insecure: {insecure}\n"
        ));
        let explanation = builder().with_config_file(&file).explain().unwrap();
        let endpoint = explanation.get("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap().value.clone();
        let row = explanation.get("OTEL_EXPORTER_OTLP_INSECURE").cloned();
        (endpoint, row.map(|row| (row.value, matches!(row.origin, Origin::File { line: 9, .. }))))
    };
    for (insecure, scheme) in [(true, "http"), (false, "https")] {
        let row = Some((insecure.to_string(), true));
        assert_eq!(
            explained("collector:4317", insecure),
            (format!("{scheme}://collector:4317/"), row)
        );
    }
    // The scheme decides, and the line has no effect.
    assert_eq!(explained("https://collector:4317", true), ("https://collector:4317/".into(), None));
}

#[cfg(feature = "grpc")]
const PAD: &str = "            ";

/// A process of its own: its threads and globals are those of this test.
#[cfg(target_os = "linux")]
#[test]
fn an_explanation_starts_no_thread_opens_no_connection_and_sets_no_global() {
    use opentelemetry::trace::{Span as _, Tracer as _};
    use spanwise_testkit::in_own_process;

    let name = "an_explanation_starts_no_thread_opens_no_connection_and_sets_no_global";
    in_own_process(name, || {
        let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        receiver.set_nonblocking(true).unwrap();
        let folder = Folder::new("explained-quietly");
        let file = folder.file("file_format: \"1.1\"\nmeter_provider: {}\ntracer_provider:\n  processors:\n    - simple: { exporter: { console: } }\n");
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        let endpoint = format!("http://{}", receiver.local_addr().unwrap());
        for builder in [
            builder().with_endpoint(endpoint),
            // Its report would start the thread of the handler.
            builder().with_config_file(&file),
        ] {
            let explanation = builder.explain().unwrap();
            assert!(explanation.get("OTEL_EXPORTER_OTLP_ENDPOINT").is_some(), "{explanation}");
            assert_eq!(threads(), before);
        }
        let refused = receiver.accept().unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
        let span = opentelemetry::global::tracer("x").start("y");
        assert!(!span.span_context().is_valid());
    });
}

/// The warnings and the errors of the file are those of a build.
#[test]
fn a_file_with_a_mistake_is_an_error_and_one_with_a_part_without_effect_a_report() {
    let folder = Folder::new("explained-mistakes");
    let meters = "file_format: \"1.1\"\nmeter_provider: {}\n";
    let explanation = builder().with_config_file(folder.file(meters)).explain().unwrap();
    let reports: Vec<_> = explanation.reports().iter().map(ToString::to_string).collect();
    assert!(
        reports.iter().any(|report| report.contains("otel.yaml:2:17: meter_provider")),
        "{reports:?}"
    );
    let file = folder.file("file_format: \"1.1\"\ntracer_provder: {}\n");
    let explained = builder().with_config_file(&file).explain().unwrap_err().to_string();
    let built = builder().with_config_file(&file).build().unwrap_err().to_string();
    assert!(explained.contains("did you mean `tracer_provider`?"), "{explained}");
    assert_eq!(explained, built);
}

/// An empty text replaces it, as the specification requires: the default endpoint, and a header without its token.
#[test]
fn a_variable_without_a_value_is_reported_with_its_place() {
    let folder = Folder::new("explained-unset");
    let text = FILE.replace("${COLLECTOR}/v1/${TRACES:-traces}", "${COLECTOR_URL}");
    let text = text.replace("${KEY}", "Bearer ${TOKEN}").replace("file:///ARCHIVE", "stdout");
    let explanation = builder().with_config_file(folder.file(&text)).explain().unwrap();
    let reports: Vec<_> = explanation.reports().iter().map(ToString::to_string).collect();
    let exporter = "tracer_provider.processors[0].batch.exporter.otlp_http";
    for expected in [
        format!("otel.yaml:14:23: {exporter}.endpoint: an empty text replaces ${{COLECTOR_URL}}"),
        format!("otel.yaml:16:41: {exporter}.headers[0].value: an empty text replaces ${{TOKEN}}"),
    ] {
        assert!(reports.iter().any(|report| report.contains(&expected)), "{reports:?}");
    }
    assert_eq!(reports.len(), 2, "{reports:?}");
    let endpoint = effective(&explanation, "OTEL_EXPORTER_OTLP_ENDPOINT", &folder.0).0;
    assert_eq!(endpoint, "http://localhost:4318/v1/traces");
}

/// A token in the place of a name is a valid name.
#[test]
fn a_header_name_that_came_from_a_variable_is_not_shown() {
    let folder = Folder::new("explained-names");
    let list =
        "            headers_list: \"x-list=${KEY},${KEY}=1,${LIST}\"\n            compression";
    let names = "- { name: api-key, value: \"${KEY}\" }\n              - name: ${KEY}\n                value: x";
    let text = FILE.replace("- { name: api-key, value: \"${KEY}\" }", names);
    let text = text.replace("            compression", list).replace("file:///ARCHIVE", "stdout");
    let builder = Spanwise::builder().with_diagnostics(|_| {}).with_environment(|name| {
        let value = match name {
            "KEY" => "hunter2",
            "LIST" => "hunter3=1",
            _ => "http://collector:4318",
        };
        Some(value.to_owned())
            .filter(|_| !name.starts_with("OTEL_") && !name.starts_with("SPANWISE_"))
    });
    let builder = builder.with_header("x-code", "1").with_config_file(folder.file(&text));
    let explanation = builder.explain().unwrap();
    let shown = format!("{explanation}\n{}\n{explanation:?}", explanation.to_json());
    assert!(!shown.contains("hunter"), "{shown}");
    let row = "x-list=[redacted],[redacted]=[redacted],[redacted]=[redacted],api-key=[redacted],[redacted]=[redacted]";
    assert!(shown.contains(row) && shown.contains("x-code=[redacted]"), "{shown}");
}

/// Each further destination has its own rows, the queue of the first processor, and its rule for an endpoint without a path.
#[test]
fn a_further_destination_of_a_file_has_its_settings_with_their_origins() {
    let folder = Folder::new("explained-further");
    let second = "    - batch:
        schedule_delay: 9000
        export_timeout: 7000
        exporter:
          otlp_http:
            endpoint: http://archive:4318
            headers:
              - { name: x-second, value: \"${KEY}\" }
            encoding: json
";
    let archive = folder.0.join("traces.jsonl").display().to_string();
    let text = FILE.replace("/ARCHIVE", &archive);
    let text = text.replace("    - simple:", &format!("{second}    - simple:"));
    let file = folder.file(&text);
    let explanation = builder().with_config_file(&file).explain().unwrap();
    let rows = explanation.iter().filter(|row| row.setting.methods == ["with_destination"]);
    let rows: Vec<String> = rows
        .map(|row| format!("{} ({})", row.value, row.origin))
        .map(|row| row.replace(&file.display().to_string(), "otel.yaml").replace(&archive, "FILE"))
        .collect();
    let path = "tracer_provider.processors[1].batch";
    assert_eq!(
        rows,
        [
            "http://archive:4318/v1/traces (otel.yaml:18: tracer_provider.processors[1])"
                .to_owned(),
            format!("processors[1].export_timeout=7000 ms (otel.yaml:20: {path}.export_timeout)"),
            format!(
                "processors[1].protocol=http/json (otel.yaml:26: {path}.exporter.otlp_http.encoding)"
            ),
            "processors[1].compression=none (default)".to_owned(),
            "processors[1].timeout=10000 ms (default)".to_owned(),
            format!(
                "processors[1].headers=x-second=[redacted] (otel.yaml:24: {path}.exporter.otlp_http.headers)"
            ),
            "FILE (otel.yaml:27: tracer_provider.processors[2])".to_owned(),
            "processors[2].export_timeout=30000 ms (default)".to_owned(),
        ]
    );
    let reports: Vec<_> = explanation.reports().iter().map(ToString::to_string).collect();
    let expected = format!(
        "otel.yaml:19:25: {path}.schedule_delay: it has no effect: every destination has the queue and the schedule of the \
         first processor"
    );
    assert!(reports.len() == 1 && reports[0].ends_with(&expected), "{reports:?}");
}
