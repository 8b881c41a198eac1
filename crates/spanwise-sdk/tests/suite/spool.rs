//! A provider with a spool: its settings, and spans that survive an outage, a restart and a crash.

use spanwise_receiver::Receiver;
use spanwise_sdk::{Diagnostic, DropReason, SpanKind, Spanwise, SpanwiseBuilder, SpoolSettings};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

/// A directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("spanwise-sdk-spool-{}-{}", std::process::id(), NEXT.fetch_add(1, SeqCst));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

/// A builder with these variables, whose requests end soon at an endpoint without a listener.
fn builder(variables: &[(&'static str, String)]) -> SpanwiseBuilder {
    let variables = variables.to_vec();
    Spanwise::builder()
        .with_diagnostics(|_| {})
        .with_environment(move |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        })
        .with_endpoint("http://127.0.0.1:1")
        .with_export_timeout(Duration::from_millis(50))
        .with_scheduled_delay(Duration::from_millis(5))
}

fn make(spanwise: &Spanwise, spans: u64) {
    let tracer = spanwise.tracer("shop");
    (0..spans).for_each(|_| drop(tracer.root("order", SpanKind::Server)));
}

fn wait_for(spanwise: &Spanwise, is_true: impl Fn(&Spanwise) -> bool) {
    let until = Instant::now() + LONG;
    while !is_true(spanwise) {
        assert!(Instant::now() < until, "{}", spanwise.ledger());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_outage_and_a_restart_cost_no_span() {
    let directory = Directory::new();
    let spool = || SpoolSettings::new(&directory.0);
    let first = builder(&[]).with_spool(spool()).build().unwrap();
    make(&first, 300);
    wait_for(&first, |it| it.ledger().spooled == 300);
    make(&first, 200);
    first.shutdown_timeout(LONG).unwrap();
    let account = first.ledger();
    account.check().unwrap();
    assert_eq!((account.spooled, account.dropped_total()), (500, 0), "{account}");

    let (receiver, collected) = Receiver::collecting().unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let received = reports.clone();
    let second = builder(&[])
        .with_diagnostics(move |it| received.lock().unwrap().push(it.clone()))
        .with_endpoint(receiver.http_endpoint())
        .with_spool(spool())
        .build()
        .unwrap();
    make(&second, 50);
    wait_for(&second, |it| it.ledger().exported == 550);
    let recovery = second.spool_recovery().unwrap();
    assert_eq!((recovery.spans, recovery.crash.spans), (500, 0));
    second.shutdown_timeout(LONG).unwrap();
    let account = second.ledger();
    account.check().unwrap();
    assert_eq!((account.created, account.recovered, account.spooled), (50, 500, 0), "{account}");
    assert_eq!(collected.spans(), 550, "each once");
    let reports = reports.lock().unwrap();
    let is_recovered = |it: &Diagnostic| matches!(it, Diagnostic::SpoolRecovered { .. });
    assert_eq!(reports.iter().filter(|it| is_recovered(it)).count(), 1, "{reports:?}");
}

#[test]
fn the_metrics_have_the_bytes_on_disk_with_a_spool_alone() {
    const PAGE: &str = include_str!("../../../../docs/operations/metrics.md");
    let table = PAGE.split_once("<!-- spool:begin -->").unwrap().1;
    let table = table.split_once("<!-- spool:end -->").unwrap().0;
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<_> = rows.map(|(name, _)| name.to_owned()).collect();
    let names = |spanwise: &Spanwise| -> BTreeSet<String> {
        spanwise.metrics().metrics().iter().map(|it| it.name.to_string()).collect()
    };
    let directory = Directory::new();
    let settings = SpoolSettings::new(&directory.0).with_max_bytes(3 << 20);
    let (plain, spanwise) =
        (builder(&[]).build().unwrap(), builder(&[]).with_spool(settings).build().unwrap());
    let (without, with) = (names(&plain), names(&spanwise));
    assert_eq!(with.difference(&without).cloned().collect::<BTreeSet<_>>(), documented);
    let value = |name: &str| {
        let metrics = spanwise.metrics();
        let points = metrics.get(name).unwrap().data.numbers().unwrap();
        points.first().unwrap().value.as_u64().unwrap()
    };
    make(&spanwise, 300);
    wait_for(&spanwise, |it| it.ledger().spooled == 300);
    spanwise.shutdown_timeout(LONG).unwrap();
    let entries = std::fs::read_dir(&directory.0).unwrap();
    let segments = entries.map(|it| it.unwrap()).filter(|it| {
        let name = it.file_name().to_string_lossy().into_owned();
        name.ends_with(".segment") || name.ends_with(".index")
    });
    let on_disk: u64 = segments.map(|it| it.metadata().unwrap().len()).sum();
    assert!(on_disk > 0);
    let metrics = ["spanwise_spool_usage_bytes", "spanwise_spool_limit_bytes"].map(value);
    assert_eq!(metrics, [on_disk, 3 << 20]);
}

#[test]
fn a_spool_that_cannot_be_used_is_reported_and_the_export_goes_on() {
    let directory = Directory::new();
    let file = directory.0.join("file");
    std::fs::write(&file, "").unwrap();
    let (receiver, collected) = Receiver::collecting().unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let received = reports.clone();
    let spanwise =
        builder(&[("SPANWISE_SPOOL_DIRECTORY", file.join("below").display().to_string())])
            .with_diagnostics(move |it| received.lock().unwrap().push(it.clone()))
            .with_endpoint(receiver.http_endpoint())
            .build()
            .unwrap();
    make(&spanwise, 5);
    wait_for(&spanwise, |it| it.ledger().exported == 5);
    let is_reported = |it: &Diagnostic| matches!(it, Diagnostic::SpoolUnavailable { .. });
    wait_for(&spanwise, |_| reports.lock().unwrap().iter().any(is_reported));
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!((collected.spans(), spanwise.spool_recovery()), (5, None));
}

fn rows(builder: &mut SpanwiseBuilder) -> Vec<(String, String)> {
    let explained = std::mem::take(builder).explain().unwrap();
    ["SPANWISE_SPOOL_DIRECTORY", "SPANWISE_SPOOL_MAX_BYTES", "SPANWISE_SPOOL_MAX_AGE"]
        .map(|name| {
            let row = explained.get(name).unwrap();
            (row.value.clone(), row.origin.to_string())
        })
        .to_vec()
}

#[test]
fn code_precedes_the_file_which_precedes_the_variables() {
    let directory = Directory::new();
    let file = directory.0.join("otel.yaml");
    let of_file = directory.0.join("file");
    let yaml = format!(
        "file_format: \"1.1\"\ndistribution:\n  spanwise:\n    spool:\n      directory: {}\n      max_age: 60000\ntracer_provider:\n  processors:\n    - simple: {{exporter: {{otlp_http: }}}}\n",
        of_file.display()
    );
    std::fs::write(&file, yaml).unwrap();
    let variables = [
        ("SPANWISE_SPOOL_DIRECTORY", directory.0.join("variable").display().to_string()),
        ("SPANWISE_SPOOL_MAX_BYTES", "2097152".to_owned()),
        ("SPANWISE_SPOOL_MAX_AGE", "5000".to_owned()),
    ];
    let values = |builder: SpanwiseBuilder| {
        let mut builder = builder;
        rows(&mut builder).into_iter().map(|(value, _)| value).collect::<Vec<_>>()
    };
    let at = |name: &str| directory.0.join(name).display().to_string();
    let all = [at("variable"), "2097152".into(), "5000".into()];
    assert_eq!(values(builder(&variables)), all);
    assert_eq!(values(builder(&[])), ["none", "1073741824", "259200000"]);
    let with_file = || {
        let variables = variables.clone();
        Spanwise::builder().with_diagnostics(|_| {}).with_config_file(&file).with_environment(
            move |name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, it)| it.clone())
            },
        )
    };
    assert_eq!(values(with_file()), [at("file"), "2097152".into(), "60000".into()]);
    let code = SpoolSettings::new(at("code")).with_max_bytes(4 << 20);
    assert_eq!(
        values(with_file().with_spool(code)),
        [at("code"), "4194304".into(), "60000".into()]
    );
    assert!(!Path::new(&at("code")).exists(), "an explanation creates nothing");
}

#[test]
fn values_out_of_range_are_errors_in_code_and_reported_in_variables() {
    let directory = Directory::new();
    let spool = SpoolSettings::new(&directory.0).with_max_bytes(1);
    let error = builder(&[]).with_spool(spool).build().map(drop).unwrap_err().to_string();
    assert!(error.contains("SpoolSettings::with_max_bytes") && error.contains('1'), "{error}");
    let spool = SpoolSettings::new(&directory.0).with_max_age(Duration::ZERO);
    let error = builder(&[]).with_spool(spool).build().map(drop).unwrap_err().to_string();
    assert!(error.contains("SpoolSettings::with_max_age"), "{error}");
    let mut of_variables = builder(&[
        ("SPANWISE_SPOOL_DIRECTORY", directory.text()),
        ("SPANWISE_SPOOL_MAX_BYTES", "12".to_owned()),
    ]);
    assert_eq!(rows(&mut of_variables)[1].0, "1073741824");
}

#[test]
fn a_limit_without_a_directory_is_reported() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let received = reports.clone();
    let spanwise = builder(&[("SPANWISE_SPOOL_MAX_BYTES", "268435456".to_owned())])
        .with_diagnostics(move |it| received.lock().unwrap().push(it.to_string()))
        .build()
        .unwrap();
    spanwise.shutdown_timeout(LONG).unwrap();
    let expected = "SPANWISE_SPOOL_MAX_BYTES has no effect: there is no spool without SPANWISE_SPOOL_DIRECTORY";
    let reports = reports.lock().unwrap();
    assert_eq!(reports.iter().filter(|it| *it == expected).count(), 1, "{reports:?}");
}

#[test]
fn a_provider_without_a_spool_has_no_thread_and_no_files() {
    let spanwise = builder(&[]).build().unwrap();
    make(&spanwise, 3);
    wait_for(&spanwise, |it| it.ledger().dropped(DropReason::RetryDeadline) == 3);
    assert_eq!(spanwise.spool_recovery(), None);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!((spanwise.ledger().spooled, spanwise.ledger().recovered), (0, 0));
}
