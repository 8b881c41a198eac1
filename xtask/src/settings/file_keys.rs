//! The keys of the declarative file that are known here.

use std::fmt::Write as _;

/// A part of the file: its path, and its keys with type, default and effect.
struct Part {
    path: &'static str,
    keys: &'static [Key],
}

/// Name, type and default, effect.
type Key = (&'static str, &'static str, &'static str);

/// The keys as Markdown.
pub fn table() -> String {
    let mut text = String::new();
    for part in PARTS {
        let _infallible = write!(
            text,
            "#### {}\n\n| key | type and default | effect |\n|---|---|---|\n",
            part.path
        );
        for (name, kind, effect) in part.keys {
            let _infallible = writeln!(text, "| `{name}` | {kind} | {effect} |");
        }
        text.push('\n');
    }
    text
}

const PARTS: &[Part] = &[
    Part {
        path: "The root",
        keys: &[
            (
                "file_format",
                "text, required",
                "`\"1.1\"`; an older minor version is accepted, a newer one is a warning, another major one an error",
            ),
            ("disabled", "boolean, `false`", "disables the SDK"),
            (
                "log_level",
                "`trace`, `debug`, `info`, `warn`, `error`, `fatal`, each also with 2, 3 or 4 after it; `info`",
                "the least severe level of the diagnostics on standard error",
            ),
            (
                "attribute_limits",
                "mapping",
                "`attribute_value_length_limit` and `attribute_count_limit`, which those of the spans precede; `attribute_value_depth_limit` has no effect, which is reported",
            ),
            ("resource", "mapping", "see below"),
            (
                "propagator",
                "mapping",
                "`composite`, a sequence, and then `composite_list`, names with commas between them: `tracecontext` and `baggage`. `b3`, `b3multi`, `jaeger`, `ottrace` and `xray` are warnings. `none` in the list is no propagator",
            ),
            ("tracer_provider", "mapping", "see below; without it no span is recorded"),
            ("meter_provider", "any", "none, which is reported"),
            ("logger_provider", "any", "none, which is reported"),
            ("instrumentation/development", "any", "none, which is reported"),
            (
                "distribution",
                "mapping",
                "`spanwise.redaction`: the rules of [redaction](redaction.md#the-section-redaction), with the feature `redaction`, \
                 without which it is an error; `spanwise.spool`: `directory`, `max_bytes` and `max_age` (milliseconds) of the \
                 [spool](spool.md#behind-the-exporter), with the feature `spool`, without which it is an error; other distributions have no effect, which is reported",
            ),
            ("stability", "any", "none"),
        ],
    },
    Part {
        path: "`resource`",
        keys: &[
            (
                "attributes",
                "sequence of `name`, `value` and `type`",
                "attributes; `type` is `string`, `bool`, `int`, `double`, `string_array`, `bool_array`, `int_array` or `double_array`, and by default that of the value",
            ),
            (
                "attributes_list",
                "list of `key=value`, percent-encoded",
                "attributes, which `attributes` precedes",
            ),
            (
                "detection/development.detectors",
                "sequence; none",
                "`container`; `host` (host and operating system); `process`; `service` (the instance id). `detection` is the same",
            ),
            (
                "detection/development.attributes",
                "`included`, `excluded`; all",
                "patterns of the detected attributes, with `*` and `?`",
            ),
            (
                "detection/development.entities_enabled",
                "boolean, `false`",
                "none, which is reported",
            ),
            ("schema_url", "text; none", "the schema URL"),
        ],
    },
    Part {
        path: "`tracer_provider`",
        keys: &[
            (
                "processors",
                "sequence, required, at least one",
                "`batch` or `simple`; the first is the exporter of the provider, each further one a destination that gets every span too",
            ),
            (
                "sampler",
                "one of the samplers below; `parent_based` with `always_on` for roots",
                "the sampler",
            ),
            (
                "limits.attribute_value_length_limit",
                "whole number; 65,536 characters",
                "truncates longer values",
            ),
            ("limits.attribute_count_limit", "whole number; 128", "attributes of a span"),
            ("limits.event_count_limit", "whole number; 128", "events of a span"),
            ("limits.link_count_limit", "whole number; 128", "links of a span"),
            ("limits.event_attribute_count_limit", "whole number; 128", "attributes of an event"),
            ("limits.link_attribute_count_limit", "whole number; 128", "attributes of a link"),
            ("id_generator", "`random`", "random ids, which are the only ones"),
            ("limits.attribute_value_depth_limit", "whole number", "none, which is reported"),
            (
                "tracer_configurator/development",
                "`default_config`, and `tracers`, a sequence of `name` and `config`; none",
                "a `config` has `enabled` (default `true`), or `disabled` in older files; the first `name`, a pattern with `*` and `?`, that matches counts. `tracer_configurator` is the same",
            ),
        ],
    },
    Part {
        path: "`tracer_provider.processors[].batch` and `simple`",
        keys: &[
            (
                "schedule_delay",
                "milliseconds, 0 to 2,592,000,000; 5,000",
                "the longest time that a span waits, at least 1 ms",
            ),
            (
                "export_timeout",
                "milliseconds, 0 to 2,592,000,000; 30,000",
                "limits a request with all its retries; 0 is no limit",
            ),
            ("max_queue_size", "1 to 16,777,216 spans; 2,048", "the queue, at least 16 spans"),
            (
                "max_export_batch_size",
                "1 to 1,048,576 spans, at most the queue; 512",
                "the largest number of spans of a request",
            ),
            (
                "exporter",
                "one of the exporters below, required",
                "the exporter. `simple` has this key alone: spans leave after 1 ms, but not one by one",
            ),
        ],
    },
    Part {
        path: "Exporters",
        keys: &[
            (
                "otlp_http.endpoint",
                "URL; `http://localhost:4318/v1/traces`",
                "used as it is; without a path, `/v1/traces` is appended, as for `with_endpoint` (to `OTEL_EXPORTER_OTLP_ENDPOINT` always, to \
                 `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` never)",
            ),
            ("otlp_http.encoding", "`protobuf` or `json`; `protobuf`", "the encoding of requests"),
            (
                "otlp_grpc.endpoint",
                "URL; `http://localhost:4317`",
                "the endpoint; needs the feature `grpc`",
            ),
            (
                "otlp_grpc.tls.insecure",
                "boolean, `false`",
                "plain text for an endpoint without a scheme",
            ),
            ("*.tls.ca_file", "path; the built-in roots", "certificates to trust, in PEM form"),
            (
                "*.tls.key_file, *.tls.cert_file",
                "paths; none",
                "key and certificate of the client: both, or neither",
            ),
            ("*.headers", "sequence of `name` and `value`; none", "headers of each request"),
            (
                "*.headers_list",
                "list of `name=value`, percent-encoded; none",
                "headers, which `headers` precedes",
            ),
            (
                "*.compression",
                "`none`, `gzip` or `zstd`; `none`",
                "the compression; `zstd` needs the feature `zstd`",
            ),
            ("*.timeout", "milliseconds; 10,000", "limits one attempt; 0 is no limit"),
            (
                "otlp_file/development.output_stream",
                "`stdout` or `file:///path`; `stdout`",
                "lines of OTLP/JSON; `otlp_file` is the same",
            ),
            ("console", "nothing", "lines of OTLP/JSON on the standard output"),
            ("zipkin", "any", "an error: use `otlp_http`"),
        ],
    },
    Part {
        path: "Samplers",
        keys: &[
            ("always_on, always_off", "nothing", "samples all spans, or none"),
            (
                "trace_id_ratio_based, probability/development",
                "`ratio`, 0 to 1; 1",
                "samples that part of the traces, consistently; `probability` is the same",
            ),
            (
                "parent_based",
                "`root`, `remote_parent_sampled`, `remote_parent_not_sampled`, `local_parent_sampled`, `local_parent_not_sampled`",
                "a sampler for each; by default `always_on` for roots, and the decision of the parent",
            ),
            (
                "composite/development",
                "one of `always_on`, `always_off`, `probability`, `parent_threshold`, `rule_based`",
                "composable samplers; `composite` is the same",
            ),
            (
                "composite/development.parent_threshold.root",
                "a composable sampler, required",
                "the sampler of roots; children follow the threshold of their parent",
            ),
            (
                "composite/development.rule_based.rules",
                "sequence, required",
                "the first rule that matches decides: `attribute_values` (`key`, `values`), `attribute_patterns` (`key`, `included`, `excluded`), `span_kinds` (`internal`, `server`, `client`, `producer`, `consumer`), `parent` (`none`, `remote`, `local`), and its `sampler`, required",
            ),
            (
                "always_record/development",
                "`root`, a sampler, required",
                "records the spans that `root` drops, for span processors; `always_record` is the same",
            ),
            (
                "jaeger_remote/development",
                "`endpoint`, required; `interval`; `initial_sampler`, required",
                "the strategies of a Jaeger collector; needs the feature `jaeger`; at the top, or as the root of `parent_based`; `jaeger_remote` is the same",
            ),
            (
                "jaeger_remote/development.interval",
                "milliseconds, 1 to 2,592,000,000; 60,000",
                "the interval at which the strategies are fetched",
            ),
        ],
    },
    Part {
        path: "A production file, which has no `file_format`",
        keys: &[
            (
                "sampling.rate",
                "number, 0 to 1",
                "samples that part of the traces that start here; children follow their parents",
            ),
            (
                "batch.size",
                "1 to 1,048,576 spans, at most the queue",
                "the largest number of spans of a request",
            ),
            ("batch.timeout", "duration with its unit, `1ms` to `720h`", "the scheduled delay"),
            ("batch.queue_size", "16 to 16,777,216 spans", "the queue"),
            (
                "resources.cpu_limit",
                "processors, `1m` to `4096`; those of the control group",
                "below 1, fewer requests in flight",
            ),
            (
                "resources.memory_limit",
                "bytes, `1Mi` to `1Pi`; those of the control group",
                "below `512Mi`, a smaller budget",
            ),
            (
                "redaction",
                "`rules`, `presets` and `hash_key`; none",
                "the rules of [redaction](redaction.md#the-section-redaction), with the feature `redaction`, without which it is an error",
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use crate::source_tree::SourceTree;
    use crate::step::root;

    /// Every key and every name that the code accepts in a file is on the page.
    #[test]
    fn each_name_that_the_code_knows_is_in_the_table() {
        let folder = "crates/spanwise-sdk/src/config/declarative";
        let tree = SourceTree::read(&root(), &[folder]).unwrap();
        let table = super::table();
        let is_letter = |c: char| c.is_ascii_alphanumeric() || "_/".contains(c);
        let words: Vec<_> = table.split(|c| !is_letter(c)).collect();
        let mut seen = 0;
        for (path, source) in tree.files() {
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let strings = code.flat_map(|line| line.split('"').skip(1).step_by(2));
            for name in strings.filter(|text| is_name(text)) {
                seen += 1;
                // `debug3` is the same as `debug` with a number after it.
                let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
                assert!(words.contains(&name) || words.contains(&stem), "{path}: {name}");
            }
        }
        assert!(seen > 100, "only {seen} names were found");
    }

    fn is_name(text: &str) -> bool {
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_/".contains(c);
        text.len() > 2 && text.chars().all(is_letter) && !NO_KEYS.contains(&text)
    }

    /// Schemes that the code adds to an endpoint, and a field of a `Debug`.
    const NO_KEYS: [&str; 3] = ["http", "https", "protocol"];
}
