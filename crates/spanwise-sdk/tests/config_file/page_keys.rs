//! The keys of a file in `docs/configuration.md`: a row's default is the one in force without its key, the ends of its
//! range and its names are accepted, and the next value beyond is an error.

use crate::{TempFile, with_variables};
use spanwise_sdk::settings::Explanation;

/// The tables of keys: key, type with default, and effect.
fn rows() -> Vec<[String; 3]> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, tables) = page.split_once("<!-- file:begin -->").unwrap();
    let (tables, _) = tables.split_once("<!-- file:end -->").unwrap();
    let lines = tables.lines().filter(|line| line.starts_with("| `"));
    let cells = lines.map(|line| {
        let mut cells = line.trim_matches(['|', ' ']).split(" | ").map(str::to_owned);
        [(); 3].map(|()| cells.next().unwrap())
    });
    cells.collect()
}

/// A row of the page, and how a test sets its key.
struct Case {
    /// The key of the row.
    key: &'static str,
    /// A file; what is between `<` and `>` sets the key to `VALUE`.
    file: &'static str,
    /// The variable of the setting, which names its row in an explanation.
    setting: &'static str,
    /// Where the row has units: each end of its range, with the next value, which is no longer accepted.
    beyond: &'static [(&'static str, &'static str)],
}

impl Case {
    const fn beyond(mut self, values: &'static [(&'static str, &'static str)]) -> Self {
        self.beyond = values;
        self
    }

    /// The file with this value, or without the key.
    fn file(&self, value: Option<&str>) -> String {
        let (start, rest) = self.file.split_once('<').unwrap();
        let (key, end) = rest.split_once('>').unwrap();
        let key = value.map_or(String::new(), |value| key.replace("VALUE", value));
        // A production file has no version.
        let is_production = !self.file.contains("tracer_provider");
        let version = if is_production { "" } else { "file_format: \"1.1\"\n" };
        format!("{version}{start}{key}{end}\n")
    }

    /// The explanation; `None` if the value needs a feature that is not compiled in.
    fn explained(&self, value: Option<&str>) -> Result<Option<Explanation>, String> {
        let file = TempFile::new(&self.file(value));
        match with_variables(&[]).with_config_file(file.path()).explain() {
            Ok(explanation) => Ok(Some(explanation)),
            Err(error) if error.to_string().contains("feature") => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The value in force.
    fn effective(&self, value: Option<&str>) -> Option<String> {
        let explained = self.explained(value);
        let explained = explained.unwrap_or_else(|error| panic!("{}: {error}", self.key))?;
        if self.setting == INTERVAL {
            return value.map(str::to_owned).or_else(default_interval);
        }
        let row = explained.get(self.setting).unwrap_or_else(|| panic!("{}", self.setting));
        Some(row.value.clone())
    }

    /// Checks the type and the default of the row.
    fn check(&self, kind: &str, effect: &str) {
        let key = self.key;
        let (accepted, default) = kind.split_once("; ").unwrap_or((kind, ""));
        let (accepted, default) = match accepted.strip_prefix("boolean, ") {
            Some(default) => ("`true`, `false`", default),
            None => (accepted, default),
        };
        let default = plain(default.split(' ').next().unwrap());
        if let Some(absent) = self.effective(None)
            && !["", "those"].contains(&&*default)
        {
            let stated = self.effective(Some(&default)).unwrap();
            assert_eq!(absent, stated, "{key}: the page states {default} as the default");
        }
        let values = values(accepted);
        let effective: Vec<_> = values.iter().map(|value| self.effective(Some(value))).collect();
        if let [Some(first), .., Some(last)] = &effective[..] {
            assert_ne!(first, last, "{key} has no effect on {}", self.setting);
        }
        for (value, effective) in values.iter().zip(effective) {
            let Some(effective) = effective.filter(|it| it.parse::<u64>().is_ok()) else {
                continue;
            };
            let is_raised = effect.contains(&format!("at least {effective} "));
            // A row with units has the effect that it states.
            let has_units = !self.beyond.is_empty() || value.parse::<u64>().is_err();
            let is_same = has_units || effective == *value;
            assert!(is_same || is_raised, "{key}: {value} becomes {effective}");
        }
        for value in self.values_beyond(&values) {
            let error = match self.explained(Some(&value)) {
                Ok(None) => continue,
                Ok(Some(_)) => panic!("{key}: {value} is accepted"),
                Err(error) => error,
            };
            let (_, name) = self.file.split_once('<').unwrap();
            let (name, _) = name.split_once(':').unwrap();
            let shown = format!("`{value}`");
            assert!(error.contains(name) && error.contains(&shown), "{key}: {error}");
        }
    }

    /// Values next to the accepted ones.
    fn values_beyond(&self, values: &[String]) -> Vec<String> {
        let numbers: Result<Vec<i64>, _> = values.iter().map(|value| value.parse()).collect();
        match (self.beyond, numbers.as_deref(), values) {
            (&[], Ok(&[least]), _) => vec![(least - 1).to_string()],
            (&[], Ok(&[least, most]), _) => vec![(least - 1).to_string(), (most + 1).to_string()],
            (&[], _, [first, ..]) => vec![format!("{first}x")],
            (ends, ..) => {
                let stated: Vec<_> = ends.iter().map(|(end, _)| *end).collect();
                assert_eq!(stated, values, "{}: the ends of the page", self.key);
                ends.iter().map(|(_, beyond)| (*beyond).to_owned()).collect()
            }
        }
    }
}

/// A number or a name of the page as a file has it.
fn plain(text: &str) -> String {
    text.trim_matches('`').replace(',', "")
}

/// The ends of a range, the least whole number, or the names; none for other types.
fn values(accepted: &str) -> Vec<String> {
    if let Some((least, most)) = accepted.split_once(" to ") {
        let (least, most) = (least.rsplit(' ').next(), most.split(' ').next());
        return [least, most].map(|end| plain(end.unwrap().trim_end_matches(','))).to_vec();
    }
    if ["whole number", "milliseconds"].contains(&accepted) {
        return vec!["0".to_owned()];
    }
    accepted.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn each_row_with_a_default_or_a_range_is_that_of_the_readers() {
    let rows = rows();
    for [key, kind, effect] in &rows {
        let Some(case) = CASES.iter().find(|case| *key == format!("`{}`", case.key)) else {
            let is_measured = kind.contains(|letter: char| letter.is_ascii_digit())
                || kind.starts_with("boolean");
            assert!(
                !is_measured || effect == "none, which is reported",
                "no test of {key}: {kind}"
            );
            continue;
        };
        case.check(kind, effect);
    }
    for case in CASES {
        assert!(rows.iter().any(|row| row[0] == format!("`{}`", case.key)), "no row {}", case.key);
    }
}

/// The default polling interval of a remote sampler.
#[cfg(feature = "jaeger")]
fn default_interval() -> Option<String> {
    let settings = spanwise_sdk::sampling::JaegerSettings::default();
    Some(settings.interval().as_millis().to_string())
}

#[cfg(not(feature = "jaeger"))]
fn default_interval() -> Option<String> {
    None
}

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
/// No row of an explanation: that of a remote sampler does not show its interval.
const INTERVAL: &str = "";

const CASES: &[Case] = &[
    case(
        "disabled",
        "<disabled: VALUE>\ntracer_provider: {processors: [{simple: {exporter: {console: }}}]}",
        "OTEL_SDK_DISABLED",
    ),
    case(
        "log_level",
        "<log_level: VALUE>\ntracer_provider: {processors: [{simple: {exporter: {console: }}}]}",
        "OTEL_LOG_LEVEL",
    ),
    case(
        "limits.attribute_value_length_limit",
        "tracer_provider: {processors: [{simple: {exporter: {console: }}}], limits: {<attribute_value_length_limit: VALUE>}}",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    ),
    case(
        "limits.attribute_count_limit",
        "tracer_provider: {processors: [{simple: {exporter: {console: }}}], limits: {<attribute_count_limit: VALUE>}}",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    ),
    case(
        "limits.event_count_limit",
        "tracer_provider: {processors: [{simple: {exporter: {console: }}}], limits: {<event_count_limit: VALUE>}}",
        "OTEL_SPAN_EVENT_COUNT_LIMIT",
    ),
    case(
        "limits.link_count_limit",
        "tracer_provider: {processors: [{simple: {exporter: {console: }}}], limits: {<link_count_limit: VALUE>}}",
        "OTEL_SPAN_LINK_COUNT_LIMIT",
    ),
    case(
        "limits.event_attribute_count_limit",
        "tracer_provider: {processors: [{simple: {exporter: {console: }}}], limits: {<event_attribute_count_limit: VALUE>}}",
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    ),
    case(
        "limits.link_attribute_count_limit",
        "tracer_provider: {processors: [{simple: {exporter: {console: }}}], limits: {<link_attribute_count_limit: VALUE>}}",
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    ),
    case(
        "schedule_delay",
        "tracer_provider: {processors: [{batch: {<schedule_delay: VALUE, >max_queue_size: 2048, exporter: {console: }}}]}",
        "OTEL_BSP_SCHEDULE_DELAY",
    ),
    case(
        "export_timeout",
        "tracer_provider: {processors: [{batch: {<export_timeout: VALUE, >max_queue_size: 2048, exporter: {otlp_http: }}}]}",
        "OTEL_BSP_EXPORT_TIMEOUT",
    ),
    case(
        "max_queue_size",
        "tracer_provider: {processors: [{batch: {<max_queue_size: VALUE, >schedule_delay: 9, exporter: {console: }}}]}",
        "OTEL_BSP_MAX_QUEUE_SIZE",
    ),
    case(
        "max_export_batch_size",
        "tracer_provider: {processors: [{batch: {<max_export_batch_size: VALUE, >max_queue_size: 16777216, exporter: {console: }}}]}",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    ),
    case(
        "otlp_http.endpoint",
        "tracer_provider: {processors: [{simple: {exporter: {otlp_http: {<endpoint: 'VALUE'>}}}}]}",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    case(
        "otlp_http.encoding",
        "tracer_provider: {processors: [{simple: {exporter: {otlp_http: {<encoding: VALUE>}}}}]}",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ),
    case(
        "otlp_grpc.endpoint",
        "tracer_provider: {processors: [{simple: {exporter: {otlp_grpc: {<endpoint: 'VALUE'>}}}}]}",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    case(
        "otlp_grpc.tls.insecure",
        "tracer_provider: {processors: [{simple: {exporter: {otlp_grpc: {endpoint: 'collector:4317', tls: {<insecure: VALUE>}}}}}]}",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    case(
        "*.compression",
        "tracer_provider: {processors: [{simple: {exporter: {otlp_http: {<compression: VALUE>}}}}]}",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
    ),
    case(
        "*.timeout",
        "tracer_provider: {processors: [{simple: {exporter: {otlp_http: {<timeout: VALUE>}}}}]}",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    ),
    case(
        "trace_id_ratio_based, probability/development",
        "tracer_provider: {processors: [{simple: {exporter: {console: }}}], sampler: {trace_id_ratio_based: {<ratio: VALUE>}}}",
        SAMPLER,
    ),
    case(
        "jaeger_remote/development.interval",
        "tracer_provider: {processors: [{simple: {exporter: {console: }}}], sampler: {jaeger_remote/development: {<interval: VALUE, >endpoint: 'http://x:5778/sampling', initial_sampler: {always_on: }}}}",
        INTERVAL,
    ),
    case("sampling.rate", "sampling: {<rate: VALUE>}", SAMPLER),
    case("batch.size", "batch: {<size: VALUE>}", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    case("batch.timeout", "batch: {<timeout: VALUE>}", "OTEL_BSP_SCHEDULE_DELAY")
        .beyond(&[("1ms", "999us"), ("720h", "720h1ms")]),
    case("batch.queue_size", "batch: {<queue_size: VALUE>}", "OTEL_BSP_MAX_QUEUE_SIZE"),
    case("resources.cpu_limit", "resources: {<cpu_limit: VALUE>}", "with_max_in_flight")
        .beyond(&[("1m", "999u"), ("4096", "4097")]),
    case("resources.memory_limit", "resources: {<memory_limit: VALUE>}", "SPANWISE_BUDGET_BYTES")
        .beyond(&[("1Mi", "1023Ki"), ("1Pi", "1025Ti")]),
];

const fn case(key: &'static str, file: &'static str, setting: &'static str) -> Case {
    Case { key, file, setting, beyond: &[] }
}
