//! Resource detectors: off by default, chosen by code or by variable; attributes of the environment and
//! of the code replace theirs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_receiver::Receiver;
use spanwise_sdk::{Detector, SpanKind, SpanwiseBuilder};
#[cfg(unix)]
use spanwise_testkit::{in_forked_child, in_own_process};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use support::{LONG, builder};

/// The resource's attributes that the SDK itself does not set.
fn resource(configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder) -> BTreeMap<String, Value> {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let spanwise = configure(builder().with_endpoint(receiver.http_endpoint())).build().unwrap();
    spanwise.tracer("test").root("span", SpanKind::Internal).finish();
    spanwise.shutdown_timeout(LONG).unwrap();
    let request = spanwise_testkit::decode(&collected.bodies()[0]);
    let resource = request.resource_spans[0].resource.clone().unwrap();
    let attributes = resource.attributes.into_iter().map(|it| (it.key, it.value.unwrap()));
    attributes
        .filter(|(key, _)| key != "service.name" && !key.starts_with("telemetry."))
        .map(|(key, value)| (key, value.value.unwrap()))
        .collect()
}

fn with_variable(
    value: &'static str,
    configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder,
) -> BTreeMap<String, Value> {
    resource(|builder| {
        configure(builder.with_environment(move |name| {
            (name == "OTEL_RUST_RESOURCE_DETECTORS").then(|| value.to_owned())
        }))
    })
}

fn text(value: &Value) -> &str {
    match value {
        Value::StringValue(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn keys(attributes: &BTreeMap<String, Value>) -> Vec<&str> {
    attributes.keys().map(String::as_str).collect()
}

#[test]
fn no_detector_runs_by_default() {
    assert!(resource(|builder| builder).is_empty());
    assert!(with_variable("none", |builder| builder).is_empty());
    assert!(with_variable("all", |builder| builder.with_detectors([])).is_empty());
}

#[test]
fn the_process_is_described() {
    let found = resource(|builder| builder.with_detectors([Detector::Process]));
    assert_eq!(keys(&found), ["process.executable.name", "process.executable.path", "process.pid"]);
    assert_eq!(found["process.pid"], Value::IntValue(std::process::id().into()));
    let path = std::env::current_exe().unwrap();
    assert_eq!(text(&found["process.executable.path"]), path.to_str().unwrap());
    let name = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(text(&found["process.executable.name"]), name);
}

/// Arguments may be secrets.
#[test]
fn the_command_line_is_used_only_where_it_is_named() {
    let found = with_variable("all", |builder| builder);
    assert!(found.keys().all(|key| !key.starts_with("process.command")), "{found:?}");
    for found in [
        with_variable("processcommand", |builder| builder),
        resource(|builder| builder.with_detectors([Detector::ProcessCommand])),
    ] {
        assert_eq!(keys(&found), ["process.command", "process.command_args"]);
        let Value::ArrayValue(list) = &found["process.command_args"] else { panic!("{found:?}") };
        let listed: Vec<_> =
            list.values.iter().map(|it| text(it.value.as_ref().unwrap()).to_owned()).collect();
        assert_eq!(listed, std::env::args().collect::<Vec<_>>());
        assert_eq!(text(&found["process.command"]), listed[0]);
    }
}

#[test]
fn the_host_and_the_system_are_described() {
    let found = resource(|builder| builder.with_detectors([Detector::Host, Detector::Os]));
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    assert_eq!(text(&found["host.arch"]), arch);
    #[cfg(target_os = "linux")]
    {
        let read = |path| std::fs::read_to_string(path).map(|text| text.trim().to_owned());
        assert_eq!(text(&found["host.name"]), read("/proc/sys/kernel/hostname").unwrap());
        assert_eq!(text(&found["os.type"]), "linux");
        let id = read("/etc/machine-id").or_else(|_| read("/var/lib/dbus/machine-id"));
        let id = id.ok().filter(|id| !id.is_empty());
        assert_eq!(found.get("host.id").map(text), id.as_deref());
        let release = read("/etc/os-release").unwrap_or_default();
        assert_eq!(found.contains_key("os.name"), release.contains("NAME="), "{found:?}");
    }
}

/// A container's id is 64 hexadecimal digits, or on ECS the task's id and a number.
#[test]
fn a_container_has_an_id_or_none() {
    let found = resource(|builder| builder.with_detectors([Detector::Container]));
    for (key, value) in &found {
        let id = text(value);
        let plain = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        assert!(key == "container.id" && (33..=64).contains(&id.len()) && plain, "{found:?}");
    }
}

#[test]
fn all_providers_of_a_process_are_one_service_instance() {
    let id = || {
        let found = resource(|builder| builder.with_detectors([Detector::ServiceInstance]));
        assert_eq!(keys(&found), ["service.instance.id"]);
        text(&found["service.instance.id"]).to_owned()
    };
    let first = id();
    assert_eq!(id(), first);
    // RFC 9562: version 4, variant 10.
    let groups: Vec<_> = first.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
    let digit = |at: usize| char::from(first.as_bytes()[at]);
    assert!(digit(14) == '4' && matches!(digit(19), '8' | '9' | 'a' | 'b'), "{first}");
    assert!(first.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f' | b'-')), "{first}");
}

#[test]
fn code_and_environment_replace_detected_attributes() {
    let found = resource(|builder| {
        builder
            .with_environment(|name| {
                (name == "OTEL_RESOURCE_ATTRIBUTES")
                    .then(|| "host.name=of the environment,host.arch=of the environment".to_owned())
            })
            .with_detectors([Detector::Host, Detector::Process])
            .with_resource([KeyValue::new("host.name", "of the code")])
    });
    assert_eq!(text(&found["host.name"]), "of the code");
    assert_eq!(text(&found["host.arch"]), "of the environment");
    assert_eq!(found["process.pid"], Value::IntValue(std::process::id().into()));
}

#[test]
fn an_unknown_detector_is_reported_and_skipped() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = reports.clone();
    let found = with_variable("Process, aws,serviceinstance,process", |builder| {
        builder.with_diagnostics(move |report| seen.lock().unwrap().push(report.to_string()))
    });
    assert_eq!(keys(&found).len(), 4, "{found:?}");
    assert_eq!(
        *reports.lock().unwrap(),
        [
            "OTEL_RUST_RESOURCE_DETECTORS=`aws` is ignored: accepted is process, processcommand, host, \
          os, container, serviceinstance, all, none; the others are skipped"
        ]
    );
}

/// A resource has at most a sixteenth of the budget; code that fits goes before detected attributes.
#[test]
fn an_attribute_that_does_not_fit_is_reported() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = reports.clone();
    let found = resource(|builder| {
        builder
            .with_budget_bytes(1 << 20)
            .with_max_request_bytes(64 << 10)
            .with_resource([KeyValue::new("big", "x".repeat(8000))])
            .with_detectors([Detector::Process])
            .with_diagnostics(move |report| seen.lock().unwrap().push(report.to_string()))
    });
    let missing = 3 - (found.len() - 1);
    let reports = reports.lock().unwrap();
    assert!(missing > 0 && reports.len() == missing, "{found:?} {reports:?}");
    assert!(reports.iter().all(|it| it.starts_with("the resource has no process.")), "{reports:?}");
}

/// A forked child is another service instance.
#[cfg(unix)]
#[test]
fn a_forked_child_is_another_service_instance() {
    // A process of its own has no other threads, whose locks a fork would leave locked.
    in_own_process("a_forked_child_is_another_service_instance", || {
        let id = || {
            let found = resource(|builder| builder.with_detectors([Detector::ServiceInstance]));
            text(&found["service.instance.id"]).to_owned()
        };
        let before = id();
        let in_child = in_forked_child(|out| out.write_all(id().as_bytes()).unwrap());
        let in_child = String::from_utf8(in_child).unwrap();
        assert_eq!(in_child.len(), before.len(), "the child sent its id: {in_child:?}");
        assert_ne!(in_child, before);
        assert_eq!(id(), before);
    });
}
