//! A running provider takes another configuration file, in all of its parts or in none.

use crate::support;

use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{SettingChange, SpanKind, Spanwise, SpanwiseBuilder};
use std::fs;
use std::path::PathBuf;
use support::{DiagnosticLog, LONG, builder};

/// A folder of its own for each test, which is removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("spanwise-reload-file-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _absent = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A builder with a file of this text.
    fn builder(&self, text: &str) -> SpanwiseBuilder {
        fs::write(self.path(), text).unwrap();
        builder().with_config_file(self.path())
    }

    fn path(&self) -> PathBuf {
        self.0.join("otel.yaml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// A file with one processor, and with these lines of `tracer_provider`.
fn with(lines: &str) -> String {
    format!(
        "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - batch:\n        exporter:\n          \
         otlp_http:\n            endpoint: http://127.0.0.1:1/v1/traces\n{lines}"
    )
}

fn names(changes: &[SettingChange]) -> Vec<&'static str> {
    changes.iter().map(|change| change.setting).collect()
}

fn is_sampled(spanwise: &Spanwise, kind: SpanKind) -> bool {
    spanwise.tracer("shop").root("span", kind).is_recording()
}

/// The span kind is in no description of the sampler.
fn rules(kind: &str) -> String {
    with(&format!(
        "  sampler:\n    composite/development:\n      rule_based:\n        rules:\n          \
         - span_kinds: [{kind}]\n            sampler:\n              always_on:\n"
    ))
}

#[test]
fn changed_rules_of_a_sampler_take_effect() {
    let folder = Folder::new("rules");
    let spanwise = folder.builder(&rules("server")).build().unwrap();
    let sampled =
        |spanwise| [SpanKind::Server, SpanKind::Client].map(|it| is_sampled(spanwise, it));
    assert_eq!(sampled(&spanwise), [true, false]);
    let reloaded = spanwise.reload(folder.builder(&rules("server"))).unwrap();
    assert!(reloaded.is_unchanged(), "{reloaded}");
    let reloaded = spanwise.reload(folder.builder(&rules("client"))).unwrap();
    assert_eq!(names(&reloaded.changed), ["with_sampler"]);
    assert_eq!(sampled(&spanwise), [false, true]);
    // The program replaces the sampler; then the file counts again, with the same text.
    spanwise.set_sampler(Sampler::always_off());
    let reloaded = spanwise.reload(folder.builder(&rules("client"))).unwrap();
    assert_eq!(
        (names(&reloaded.changed), sampled(&spanwise)),
        (vec!["with_sampler"], [false, true])
    );
}

#[test]
fn a_changed_tracer_configurator_applies_to_later_tracers() {
    let folder = Folder::new("tracers");
    let text = |name: &str| {
        with(&format!(
            "  tracer_configurator/development:\n    tracers:\n      - name: {name}\n        config: {{ enabled: false }}\n"
        ))
    };
    let spanwise = folder.builder(&text("shop")).build().unwrap();
    let enabled = |spanwise| is_sampled(spanwise, SpanKind::Server);
    assert!(!enabled(&spanwise));
    assert!(spanwise.reload(folder.builder(&text("shop"))).unwrap().is_unchanged());
    let reloaded = spanwise.reload(folder.builder(&text("other"))).unwrap();
    assert_eq!(names(&reloaded.changed), ["with_tracer_configurator"]);
    assert!(enabled(&spanwise));
    let reloaded = spanwise.reload(folder.builder(&text("shop"))).unwrap();
    assert_eq!((names(&reloaded.changed).len(), enabled(&spanwise)), (1, false));
    let reloaded = spanwise.reload(folder.builder(&with(""))).unwrap();
    assert!(reloaded.to_string().contains("from function to none") && enabled(&spanwise));
}

#[test]
fn changed_settings_of_a_further_destination_are_named_and_show_no_secret() {
    let folder = Folder::new("destinations");
    let text = |port: u32, key: &str, timeout: u32| {
        with(&format!(
            "    - batch:\n        exporter:\n          otlp_http:\n            \
             endpoint: http://127.0.0.1:{port}/v1/traces\n            timeout: {timeout}\n            \
             headers:\n              - name: api-key\n                value: {key}\n"
        ))
    };
    let spanwise = folder.builder(&text(2, "hunter1", 1000)).build().unwrap();
    let reload = |text: &str| spanwise.reload(folder.builder(text)).unwrap();
    assert!(reload(&text(2, "hunter1", 1000)).is_unchanged());
    for (next, part) in [
        (text(2, "hunter2", 1000), "with_header"),
        (text(2, "hunter1", 2000), "with_attempt_timeout 1s"),
        (text(3, "hunter1", 1000), "[127.0.0.1:2] to [127.0.0.1:3]"),
        (with(""), "[127.0.0.1:2] to []"),
    ] {
        let reloaded = reload(&next);
        assert_eq!(
            (names(&reloaded.changed), names(&reloaded.needs_restart)),
            (vec![], vec!["with_destination"])
        );
        let shown = format!("{reloaded} {reloaded:?}");
        assert!(shown.contains(part) && !shown.contains("hunter"), "{part}: {shown}");
    }
    assert!(reload(&text(2, "hunter1", 1000)).is_unchanged(), "what needs a restart stays");
}

#[test]
fn a_log_level_changes_with_the_rest_of_a_valid_file_alone() {
    let folder = Folder::new("level");
    let text = |level: &str, sampler: &str| {
        with(&format!("  sampler:\n    {sampler}:\nlog_level: {level}\n"))
    };
    let ours = |text: &str| {
        fs::write(folder.path(), text).unwrap();
        Spanwise::builder().with_environment(|_| None).with_config_file(folder.path())
    };
    let spanwise = ours(&text("info", "always_on")).build().unwrap();
    let invalid = [
        text("error", "always_on").replace("1/v1", "1/v1\n            compression: pigeon"),
        text("error", "always_onn"),
    ];
    for invalid in invalid {
        spanwise.reload(ours(&invalid)).unwrap_err();
    }
    let late = ours(&text("error", "always_on")).with_max_in_flight(0);
    spanwise.reload(late).unwrap_err();
    let reloaded = spanwise.reload(ours(&text("warn", "always_on"))).unwrap();
    assert_eq!(reloaded.to_string(), "changed: with_log_level from info to warn");
}

#[test]
fn reports_about_an_ignored_setting_are_made_once_for_each_content() {
    let (folder, log) = (Folder::new("reports"), DiagnosticLog::default());
    let ours = |meter: &str, sampler: &str| {
        let text = format!("{meter}\n{}", with(&format!("  sampler:\n    {sampler}:\n")));
        log.attach(folder.builder(&text))
    };
    let count = || log.lines().iter().filter(|line| line.contains("it has no effect")).count();
    let meter = "meter_provider: {}";
    let spanwise = ours(meter, "always_on").build().unwrap();
    spanwise.reload(ours(meter, "always_off")).unwrap();
    spanwise.reload(ours(meter, "always_onn")).unwrap_err();
    spanwise.reload(ours("logger_provider: {}", "always_onn")).unwrap_err();
    spanwise.force_flush_timeout(LONG).unwrap();
    assert_eq!(count(), 1, "{:?}", log.lines());
    spanwise.reload(ours("", "always_off")).unwrap();
    spanwise.reload(ours(meter, "always_off")).unwrap();
    spanwise.force_flush_timeout(LONG).unwrap();
    assert_eq!(count(), 2, "{:?}", log.lines());
}

#[test]
fn a_build_or_a_reload_that_fails_creates_no_file_of_an_exporter() {
    let folder = Folder::new("files");
    let file = |name: &str| folder.0.join(format!("{name}.jsonl"));
    let text = |first: &str, second: &str| {
        let processor = |name: &str| {
            format!(
                "    - simple:\n        exporter:\n          otlp_file/development:\n            \
                 output_stream: file://{}\n",
                file(name).display()
            )
        };
        let (first, second) = (processor(first), processor(second));
        format!("file_format: \"1.1\"\ntracer_provider:\n  processors:\n{first}{second}")
    };
    let exist = |names: &[&str]| names.iter().map(|name| file(name).exists()).collect::<Vec<_>>();
    let invalid = || folder.builder(&text("a", "b")).with_max_in_flight(0);
    invalid().build().unwrap_err();
    folder.builder(&text("a", "b")).explain().unwrap();
    assert_eq!(exist(&["a", "b"]), [false, false]);
    // The second file cannot be opened: its place is named.
    fs::create_dir(file("b")).unwrap();
    let error = folder.builder(&text("a", "b")).build().unwrap_err().to_string();
    assert!(error.contains("otel.yaml:11:") && error.contains("no regular file"), "{error}");
    fs::remove_dir(file("b")).unwrap();
    let spanwise = folder.builder(&text("a", "b")).build().unwrap();
    assert_eq!(exist(&["a", "b"]), [true, true]);
    let next = folder.builder(&text("c", "d"));
    spanwise.reload(next.with_max_in_flight(0)).unwrap_err();
    assert_eq!(exist(&["c", "d"]), [false, false]);
    let reloaded = spanwise.reload(folder.builder(&text("c", "d"))).unwrap();
    assert_eq!(
        (names(&reloaded.changed), names(&reloaded.needs_restart)),
        (vec!["with_endpoint"], vec!["with_destination"])
    );
    assert_eq!(exist(&["c", "d"]), [true, false], "the second destination stays");
    spanwise.force_flush_timeout(LONG).unwrap();
    is_sampled(&spanwise, SpanKind::Server);
    spanwise.shutdown_timeout(LONG).unwrap();
    let lines = ["a", "b", "c"].map(|name| fs::read_to_string(file(name)).unwrap().lines().count());
    assert_eq!(lines, [0, 1, 1]);
}
