//! Explanations: the value and the origin of every effective setting, from the code that builds.

use crate::support::{DiagnosticLog, LONG};
use crate::{Variables, with};
use opentelemetry::KeyValue;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::settings::{
    EffectiveSetting, Explanation, Origin, Setting, SettingType, Support, settings,
};
use spanwise_sdk::{
    BatchPreset, Compression, Destination, Diagnostic, Exporter, OnFull, SpanLimits,
    SpanwiseBuilder,
};
use spanwise_transport::{Endpoint, Transport};
use std::time::{Duration, Instant};

fn explained(builder: &SpanwiseBuilder) -> Explanation {
    builder.explain().unwrap()
}

/// The value and the printed origin of a setting.
fn effective(explanation: &Explanation, name: &str) -> (String, String) {
    let effective = explanation.get(name).unwrap_or_else(|| panic!("{name}: {explanation}"));
    (effective.value.clone(), effective.origin.to_string())
}

fn check(builder: &SpanwiseBuilder, name: &str, value: &str, origin: &str) {
    let found = effective(&explained(builder), name);
    assert_eq!((found.0.as_str(), found.1.as_str()), (value, origin), "{name}");
}

/// Without any setting, every row has the default that the table states.
#[test]
fn each_default_of_the_table_is_the_default_in_force() {
    let builder = with(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]);
    let explanation = explained(&builder);
    let mut seen = 0;
    // The defaults of these two depend on the container of this test.
    let of_container = ["SPANWISE_BUDGET_BYTES", "with_max_in_flight"];
    let depends = |row: &&EffectiveSetting| of_container.contains(&row.setting.name());
    let rows = explanation.iter().filter(|row| row.origin == Origin::Default);
    for row in rows.filter(|row| explanation.reports().is_empty() || !depends(row)) {
        seen += 1;
        match row.setting.default.strip_suffix("<program>") {
            Some(start) => assert!(row.value.starts_with(start), "{row}"),
            None => assert_eq!(row.value, row.setting.default, "{row}"),
        }
    }
    assert!(seen >= 30, "{explanation}");
    // The others are used under a condition, and have no default.
    let has_row = |setting: &Setting| explanation.iter().any(|row| row.setting == *setting);
    let missing = settings().iter().filter(|it| it.support == Support::Supported && !has_row(it));
    for setting in missing {
        let conditional = ["none", "false"].contains(&setting.default);
        assert!(conditional, "no row for {}", setting.name());
    }
    let reports = explanation.reports().iter();
    let of_container = reports.filter(|it| {
        matches!(it, Diagnostic::BudgetReduced { .. } | Diagnostic::InFlightReduced { .. })
    });
    assert_eq!(of_container.count(), explanation.reports().len(), "{explanation}");
}

/// The ends of a range are accepted, and one beyond is reported and ignored.
#[test]
fn each_number_of_a_variable_has_the_range_that_the_table_states() {
    let mut seen = 0;
    for setting in settings().iter().filter(|it| it.support == Support::Supported) {
        let (least, most) = match setting.kind {
            SettingType::Integer { min, max, .. } | SettingType::Milliseconds { min, max } => {
                (min, max)
            }
            SettingType::Timeout => (0, u64::from(u32::MAX)),
            _ => continue,
        };
        for &name in setting.variables {
            seen += 1;
            let value_of = |number: String| {
                let variables = Box::leak(Box::new([(name, &*number.leak())]));
                explained(&with(variables))
            };
            let row = |explanation: &Explanation| {
                explanation.iter().find(|row| row.setting == *setting).unwrap().clone()
            };
            for end in [least, most] {
                let explanation = value_of(end.to_string());
                let reports = reports_of_values(&explanation);
                assert!(reports.is_empty(), "{name}={end}: {explanation}");
                let row = row(&explanation);
                assert_eq!(row.origin, Origin::Variable { name }, "{name}={end}");
                // A count beyond 32 bits is as good as none.
                let counts = [end, u64::from(u32::MAX)].map(|it| it.to_string());
                // A batch is at most the queue.
                assert!(counts.contains(&row.value), "{row}");
            }
            let (below, above) = (least.checked_sub(1), most.checked_add(1));
            let above = above.filter(|_| setting.kind != SettingType::Timeout);
            for beyond in below.into_iter().chain(above) {
                let explanation = value_of(beyond.to_string());
                let report = reports_of_values(&explanation);
                let start = format!("{name}=`{beyond}` is ignored: accepted is ");
                assert!(report.len() == 1 && report[0].starts_with(&start), "{report:?}");
                assert_eq!(row(&explanation).origin, Origin::Default);
            }
        }
    }
    assert!(seen >= 15, "only {seen} variables with numbers");
}

/// Without those of settings that have no effect: a limit of the spool without its directory.
fn reports_of_values(explanation: &Explanation) -> Vec<String> {
    let is_used = |report: &&Diagnostic| !matches!(report, Diagnostic::SettingUnused { .. });
    explanation.reports().iter().filter(is_used).map(ToString::to_string).collect()
}

#[test]
fn code_precedes_the_variable_of_the_signal_which_precedes_the_generic_one() {
    let generic = ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000");
    let of_signal = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2000");
    let name = generic.0;
    check(&with(&[]), name, "10000", "default");
    check(&with(&[generic]), name, "3000", "variable: OTEL_EXPORTER_OTLP_TIMEOUT");
    let both = [generic, of_signal];
    check(&with(&both), name, "2000", "variable: OTEL_EXPORTER_OTLP_TRACES_TIMEOUT");
    let coded = with(&both).with_attempt_timeout(Duration::from_millis(1500));
    check(&coded, name, "1500", "code: with_attempt_timeout");
    // The variable of the signal is ignored, so the generic one counts.
    let broken = [generic, ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon")];
    check(&with(&broken), name, "3000", "variable: OTEL_EXPORTER_OTLP_TIMEOUT");
}

#[test]
fn each_kind_of_setting_has_its_value_and_its_origin() {
    let variables = [
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
        ("OTEL_TRACES_SAMPLER", "TraceIdRatio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_PROPAGATORS", "baggage"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2,tenant=hunter2"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "7"),
        ("OTEL_RUST_RESOURCE_DETECTORS", "host,os"),
        ("HTTP_PROXY", "http://user:hunter2@proxy:3128"),
    ];
    let builder = with(&variables)
        .with_header("x-code", "hunter2")
        .with_resource([KeyValue::new("region", "eu")])
        .with_compression(Compression::Gzip)
        .with_on_full(OnFull::ShedByTrace);
    let explanation = explained(&builder);
    for (name, value, origin) in [
        ("OTEL_SERVICE_NAME", "shop", "variable: OTEL_SERVICE_NAME"),
        ("OTEL_TRACES_SAMPLER", "traceidratio", "variable: OTEL_TRACES_SAMPLER"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25", "variable: OTEL_TRACES_SAMPLER_ARG"),
        ("OTEL_PROPAGATORS", "baggage", "variable: OTEL_PROPAGATORS"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "variable: OTEL_EXPORTER_OTLP_PROTOCOL"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100", "variable: OTEL_BSP_MAX_QUEUE_SIZE"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100", "default"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "7", "variable: OTEL_SPAN_EVENT_COUNT_LIMIT"),
        ("OTEL_RUST_RESOURCE_DETECTORS", "host,os", "variable: OTEL_RUST_RESOURCE_DETECTORS"),
        ("with_compression", "gzip", "code: with_compression"),
        ("with_compression_level", "1", "default"),
        ("with_on_full", "ShedByTrace", "code: with_on_full"),
    ] {
        let found = effective(&explanation, name);
        assert_eq!((found.0.as_str(), found.1.as_str()), (value, origin), "{name}");
    }
    let rows = |name: &str| -> Vec<_> {
        let of_name = explanation.iter().filter(|row| row.setting.methods.contains(&name));
        of_name.map(|row| (row.value.clone(), row.origin.to_string())).collect()
    };
    let expected = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    let redacted = "api-key=[redacted],tenant=[redacted]";
    let headers = rows("with_header");
    assert!(headers.contains(&expected(redacted, "variable: OTEL_EXPORTER_OTLP_HEADERS")));
    assert!(headers.contains(&expected("x-code=[redacted]", "code: with_header")));
    let resource = rows("with_resource");
    assert!(resource.contains(&expected("region=eu", "code: with_resource")), "{resource:?}");
    let of_variable = expected("deployment.environment=test", "variable: OTEL_RESOURCE_ATTRIBUTES");
    assert!(resource.contains(&of_variable), "{resource:?}");
    let (endpoint, origin) = effective(&explanation, "with_endpoint");
    assert!(endpoint.contains("collector:4318"), "{endpoint}");
    assert_eq!(origin, "variable: OTEL_EXPORTER_OTLP_ENDPOINT");
    #[cfg(feature = "proxy")]
    {
        let (proxy, origin) = effective(&explanation, "HTTP_PROXY");
        assert!(proxy.contains("proxy:3128") && origin == "variable: HTTP_PROXY", "{proxy}");
    }
    for text in [explanation.to_string(), explanation.to_json(), format!("{explanation:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn methods_and_presets_are_origins_of_their_settings() {
    let builder = with(&[("OTEL_BSP_SCHEDULE_DELAY", "77")])
        .with_batch_preset(BatchPreset::Specification)
        .with_max_queue_size(4096)
        .with_sampler(Sampler::always_off())
        .with_span_limits(SpanLimits::default().with_events(3));
    check(&builder, "OTEL_BSP_SCHEDULE_DELAY", "5000", "code: with_batch_preset");
    check(&builder, "OTEL_BSP_EXPORT_TIMEOUT", "30000", "code: with_batch_preset");
    check(&builder, "OTEL_BSP_MAX_QUEUE_SIZE", "4096", "code: with_max_queue_size");
    check(&builder, "OTEL_SPAN_EVENT_COUNT_LIMIT", "3", "code: with_span_limits");
    let (_, origin) = effective(&explained(&builder), "OTEL_TRACES_SAMPLER");
    assert_eq!(origin, "code: with_sampler");
    let named = with(&[]).with_resource([KeyValue::new("service.name", "inside")]);
    check(&named, "OTEL_SERVICE_NAME", "inside", "code: with_resource");
}

/// The explanation has the reports that a build sends, and starts no thread for them.
#[test]
fn the_reports_are_those_of_a_build() {
    let variables = [
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_ENTITIES", "x"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_RESOURCE_ATTRIBUTES", "broken"),
    ];
    let reports: Vec<_> =
        explained(&with(&variables)).reports().iter().map(ToString::to_string).collect();
    assert_eq!(reports.len(), 4);
    assert_eq!(reports, reports_of_build(&variables, 4));
    let wrong = with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")]);
    let error = wrong.explain().unwrap_err().to_string();
    assert_eq!(error, crate::error(wrong).to_string());
}

#[test]
fn a_provider_that_exports_nothing_has_no_rows_of_the_network() {
    let explanation = explained(&with(&[]).with_exporter(Exporter::None));
    assert_eq!(effective(&explanation, "OTEL_TRACES_EXPORTER").1, "code: with_exporter");
    assert!(explanation.get("OTEL_EXPORTER_OTLP_ENDPOINT").is_none());
    let explanation = explained(&with(&[("OTEL_SDK_DISABLED", "true")]));
    assert_eq!(effective(&explanation, "OTEL_SDK_DISABLED").0, "true");
    assert!(explanation.get("OTEL_TRACES_EXPORTER").is_none());
    let explanation = explained(&crate::sunk(&[]));
    let sink = effective(&explanation, "OTEL_EXPORTER_OTLP_ENDPOINT");
    assert_eq!(sink, ("the sink".to_owned(), "code: with_sink".to_owned()));
}

#[test]
fn each_destination_has_a_row_with_its_endpoint() {
    let transport = |url: &str| {
        let endpoint = Endpoint::parse("destination", url).unwrap();
        Transport::builder().with_endpoint(endpoint).build().unwrap()
    };
    let archive = Destination::new(transport("http://archive:4318/v1/traces?key=hunter2"));
    let builder = with(&[])
        .with_destination(transport("http://other:4318/v1/traces"))
        .with_destination(archive.with_name("archive of traces"));
    let explanation = explained(&builder);
    let is_destination = |row: &&EffectiveSetting| row.setting.name() == "with_destination";
    let rows: Vec<_> = explanation.iter().filter(is_destination).map(ToString::to_string).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let first = "with_destination=http://other:4318/v1/traces (code: with_destination)";
    assert_eq!(rows[0], first);
    let second = "with_destination=archive of traces (http://archive:4318/v1/traces";
    assert!(rows[1].starts_with(second) && !rows[1].contains("hunter2"), "{rows:?}");
}

#[test]
fn the_table_is_aligned_and_the_json_is_complete() {
    let explanation = explained(&with(&[("OTEL_BSP_SCHEDULE_DELAY", "250")]));
    let text = explanation.to_string();
    let column = |line: &str, word: &str| line.find(word).unwrap();
    let heading = text.lines().next().unwrap();
    let line = text.lines().find(|line| line.starts_with("OTEL_BSP_SCHEDULE_DELAY")).unwrap();
    assert_eq!(column(heading, "value"), column(line, "250 ms"), "{text}");
    assert_eq!(column(heading, "origin"), column(line, "variable: "), "{text}");
    let json = explanation.to_json();
    let row = "{\"name\":\"OTEL_BSP_SCHEDULE_DELAY\",\"value\":\"250\",\"unit\":\"ms\",\
               \"origin\":{\"kind\":\"variable\",\"name\":\"OTEL_BSP_SCHEDULE_DELAY\"}}";
    assert!(json.contains(row) && json.ends_with("\"reports\":[]}"), "{json}");
}

/// The reports of a build, at least as many as expected: a busy machine may run their handler late.
fn reports_of_build(variables: Variables<'_>, expected: usize) -> Vec<String> {
    let log = DiagnosticLog::default();
    drop(log.attach(with(variables)).build().unwrap());
    let patience = Instant::now() + LONG;
    while log.lines().len() < expected && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    log.lines()
}

/// Random values of all variables: an explanation has the reports of a build, or its error.
#[test]
fn an_explanation_of_any_environment_agrees_with_its_build() {
    let values = [
        "",
        " ",
        "0",
        "1",
        "16",
        "4096",
        "-1",
        "1e9",
        "true",
        "none",
        "otlp",
        "gzip",
        "grpc",
        "error",
        "http/json",
        "traceidratio",
        "http://127.0.0.1:9/x",
        "https://collector",
        "a=b,c=d",
        "host,os",
        "99999999999999999999",
        "/no/such/file.pem",
        "x\u{e9}%",
    ];
    let variables: Vec<_> = settings().iter().flat_map(|setting| setting.variables).collect();
    // `build` sets no globals, which it reports, and an explanation is that of `init`. A build would make the directory.
    let others = ["OTEL_PROPAGATORS", "SPANWISE_CLOCK", "SPANWISE_SPOOL_DIRECTORY"];
    let is_known = |name: &&&&str| !others.contains(*name);
    let variables: Vec<_> = variables.iter().filter(is_known).collect();
    // xorshift: the same cases in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    };
    let mut built = 0;
    for case in 0..120 {
        let set: Vec<(&str, &str)> = (0..1 + case % 9)
            .map(|_| (**variables[next(variables.len())], values[next(values.len())]))
            .collect();
        match with(&set).explain() {
            Err(error) => assert_eq!(error.to_string(), crate::error(with(&set)).to_string()),
            Ok(explanation) => {
                built += 1;
                let reports: Vec<_> =
                    explanation.reports().iter().map(ToString::to_string).collect();
                assert_eq!(reports, reports_of_build(&set, reports.len()), "{set:?}");
                assert!(explanation.get("OTEL_SDK_DISABLED").is_some());
            }
        }
    }
    assert!((30..110).contains(&built), "{built} environments of 120 are accepted");
}

#[test]
fn the_address_of_the_admin_endpoint_is_explained() {
    let row = |address| {
        let explanation = explained(&with(&[("SPANWISE_ADMIN_ADDRESS", address)]));
        let row = explanation.get("SPANWISE_ADMIN_ADDRESS").unwrap();
        (row.value.clone(), row.origin.clone())
    };
    let variable = Origin::Variable { name: "SPANWISE_ADMIN_ADDRESS" };
    assert_eq!(row("127.0.0.1:9464"), ("127.0.0.1:9464".to_owned(), variable));
    assert_eq!(row(""), ("none".to_owned(), Origin::Default));
}
