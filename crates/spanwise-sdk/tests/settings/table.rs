//! The table of settings names every variable and every method, and the sources read no other variable.

use spanwise_sdk::settings::{Setting, SettingType, Support, settings};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The prefixes of the specification's variables and of ours.
const PREFIXES: [&str; 2] = ["OTEL_", "SPANWISE_"];

/// A string of the sources that begins with the prefix of a variable is in the table alone: other files take the
/// table's entries.
#[test]
fn the_sources_name_no_variable_outside_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let known: BTreeSet<_> = settings().iter().flat_map(|setting| setting.variables).collect();
    let mut seen = 0;
    for path in files(&folder) {
        let source = fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let names: Vec<_> = code.lines().filter(|line| !is_comment(line)).flat_map(names).collect();
        if path.starts_with(folder.join("config/settings")) {
            seen += names.len();
            continue;
        }
        // Texts may name a variable of the table, which those files do not read, and so may expected texts.
        let is_text = ["diagnostics", "doctor"].iter().any(|it| path.starts_with(folder.join(it)));
        let name = path.file_name().unwrap().to_string_lossy();
        let is_text = is_text || name == "tests.rs" || name.ends_with("_tests.rs");
        // The example of a misspelt name.
        let is_known =
            |name: &String| known.contains(&name.as_str()) || name == "OTEL_TRACE_SAMPLER";
        let wrong = names.iter().filter(|name| !is_text || !is_known(name));
        let wrong: Vec<_> = wrong.collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
        // The detector of the host reads its name, which is no setting.
        let may_read = ["config/environment.rs", "detectors/system/other.rs"];
        let may_read = may_read.iter().any(|file| path.ends_with(file));
        assert!(may_read || !code.contains("env::var"), "{}", path.display());
    }
    assert!(seen > 60, "only {seen} names were found in the table");
}

/// Each variable of the specification that concerns traces.
#[test]
fn the_table_has_each_variable_of_the_specification() {
    let known: BTreeSet<_> = settings().iter().flat_map(|setting| setting.variables).collect();
    for name in SPECIFICATION.split_whitespace() {
        assert!(known.contains(&name), "{name}");
    }
    assert!(!known.contains(&"OTEL_NO_SUCH_SETTING"));
}

/// A method without an entry would be missing from the pages and from explanations.
#[test]
fn the_table_has_each_method_of_the_builder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let sources = files(&folder).into_iter().map(|path| fs::read_to_string(path).unwrap());
    let sources: String = sources.collect();
    let methods = sources.split("    pub fn with_").skip(1).map(|rest| {
        let end = rest.find(['(', '<']).unwrap();
        format!("with_{}", &rest[..end])
    });
    let methods: BTreeSet<_> = methods.collect();
    let of_table = settings().iter().flat_map(|setting| setting.methods);
    // Those of other types have their type before the name.
    let of_table = of_table.filter(|name| !name.contains("::"));
    let of_table: BTreeSet<_> = of_table.map(|name| (*name).to_owned()).collect();
    let unlisted: Vec<_> = methods
        .difference(&of_table)
        .filter(|name| !WITHOUT_VALUE.contains(&name.as_str()))
        .collect();
    assert!(unlisted.is_empty(), "methods without a setting: {unlisted:?}");
    let stale: Vec<_> = of_table.difference(&methods).collect();
    assert!(stale.is_empty(), "no such methods: {stale:?}");
}

#[test]
fn every_setting_has_a_place_and_a_purpose() {
    let mut names = BTreeSet::new();
    for setting in settings() {
        let Setting { variables, methods, paths, purpose, default, .. } = *setting;
        assert!(!variables.is_empty() || !methods.is_empty() || !paths.is_empty(), "{setting:?}");
        assert!(purpose.ends_with('.') && !default.is_empty(), "{setting:?}");
        assert!(names.insert((variables, methods)), "twice: {setting:?}");
        if let SettingType::Integer { min, max, .. } | SettingType::Milliseconds { min, max } =
            setting.kind
        {
            assert!(min < max, "{setting:?}");
        }
        if !matches!(setting.support, Support::Supported | Support::OptIn(_)) {
            assert_eq!(methods.len(), 0, "a method without effect: {setting:?}");
        }
    }
}

/// Methods that add code instead of a value.
const WITHOUT_VALUE: [&str; 3] = ["with_environment", "with_diagnostics", "with_span_processor"];

/// The specification's *Environment Variable Specification* and *OpenTelemetry Protocol Exporter*: variables for all
/// signals, for traces and for metrics.
const SPECIFICATION: &str = "
    OTEL_SDK_DISABLED OTEL_ENTITIES OTEL_RESOURCE_ATTRIBUTES OTEL_SERVICE_NAME OTEL_LOG_LEVEL OTEL_PROPAGATORS
    OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG OTEL_BSP_SCHEDULE_DELAY OTEL_BSP_EXPORT_TIMEOUT
    OTEL_BSP_MAX_QUEUE_SIZE OTEL_BSP_MAX_EXPORT_BATCH_SIZE OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT
    OTEL_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT
    OTEL_SPAN_EVENT_COUNT_LIMIT OTEL_SPAN_LINK_COUNT_LIMIT OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT
    OTEL_LINK_ATTRIBUTE_COUNT_LIMIT OTEL_EXPORTER_ZIPKIN_ENDPOINT OTEL_EXPORTER_ZIPKIN_TIMEOUT OTEL_TRACES_EXPORTER
    OTEL_CONFIG_FILE OTEL_EXPERIMENTAL_CONFIG_FILE OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
    OTEL_EXPORTER_OTLP_INSECURE OTEL_EXPORTER_OTLP_TRACES_INSECURE OTEL_EXPORTER_OTLP_CERTIFICATE
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE OTEL_EXPORTER_OTLP_CLIENT_KEY OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_HEADERS
    OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_EXPORTER_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_TRACES_COMPRESSION
    OTEL_EXPORTER_OTLP_TIMEOUT OTEL_EXPORTER_OTLP_TRACES_TIMEOUT OTEL_EXPORTER_OTLP_PROTOCOL
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_EXPORTER_OTLP_SPAN_INSECURE OTEL_EXPORTER_OTLP_SPAN_CERTIFICATE
    OTEL_EXPORTER_JAEGER_AGENT_HOST OTEL_EXPORTER_JAEGER_AGENT_PORT OTEL_EXPORTER_JAEGER_ENDPOINT
    OTEL_EXPORTER_JAEGER_PASSWORD OTEL_EXPORTER_JAEGER_PROTOCOL OTEL_EXPORTER_JAEGER_TIMEOUT
    OTEL_EXPORTER_JAEGER_USER OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER OTEL_METRIC_EXPORT_INTERVAL
    OTEL_METRIC_EXPORT_TIMEOUT OTEL_METRICS_EXEMPLAR_FILTER OTEL_BLRP_SCHEDULE_DELAY OTEL_BLRP_EXPORT_TIMEOUT
    OTEL_BLRP_MAX_QUEUE_SIZE OTEL_BLRP_MAX_EXPORT_BATCH_SIZE OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT
    OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT OTEL_EXPORTER_OTLP_METRICS_INSECURE OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE
    OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_METRICS_HEADERS
    OTEL_EXPORTER_OTLP_METRICS_COMPRESSION OTEL_EXPORTER_OTLP_METRICS_TIMEOUT OTEL_EXPORTER_OTLP_METRICS_PROTOCOL
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
";

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The names of variables in the strings of a line.
fn names(line: &str) -> Vec<String> {
    let strings = line.split('"').skip(1).step_by(2);
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let words = strings.flat_map(|text| text.split(move |c| !is_name(c)));
    let is_variable =
        |word: &&str| PREFIXES.iter().any(|prefix| word.starts_with(prefix) && word != prefix);
    words.filter(is_variable).map(str::to_owned).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| files(&path)).collect()
}
