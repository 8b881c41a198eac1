//! A provider follows its configuration file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_receiver::{Collected, Receiver};
use spanwise_sdk::{SpanKind, Spanwise, SpanwiseBuilder};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{DiagnosticLog, LONG, assert_idle};

const INTERVAL: Duration = Duration::from_secs(1);

/// A file in a folder of its own, which is removed at the end of its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("spanwise-config-watch-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _absent = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("otel.yaml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn text(endpoint: &str, sampler: &str) -> String {
    format!(
        "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - batch:\n        schedule_delay: 10\n        \
         exporter:\n          otlp_http:\n            endpoint: {endpoint}/v1/traces\n  sampler:\n    {sampler}:\n"
    )
}

fn watching(folder: &Folder, log: &DiagnosticLog) -> SpanwiseBuilder {
    log.attach(Spanwise::builder().with_environment(|_| None))
        .with_config_file(folder.file())
        .with_config_file_watch(INTERVAL)
}

fn wait_for(log: &DiagnosticLog, part: &str) -> String {
    let patience = Instant::now() + LONG;
    loop {
        if let Some(line) = log.lines().into_iter().find(|line| line.contains(part)) {
            return line;
        }
        assert!(Instant::now() < patience, "no {part} in {:?}", log.lines());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn finish(spanwise: &Spanwise) {
    spanwise.tracer("watch").root("span", SpanKind::Internal).finish();
}

fn receivers() -> [(Receiver, Collected); 2] {
    [(); 2].map(|()| Receiver::collecting().unwrap())
}

#[test]
fn a_file_that_changes_is_applied_and_one_with_a_mistake_is_reported_once() {
    let (folder, log) = (Folder::new("changes"), DiagnosticLog::default());
    let [(first, first_spans), (second, second_spans)] = receivers();
    fs::write(folder.file(), text(&first.http_endpoint(), "always_on")).unwrap();
    let spanwise = watching(&folder, &log).build().unwrap();
    finish(&spanwise);
    spanwise.force_flush_timeout(LONG).unwrap();
    assert_eq!(first_spans.spans(), 1);

    fs::write(folder.file(), text(&second.http_endpoint(), "always_onn")).unwrap();
    let line = wait_for(&log, "cannot be used");
    assert!(line.contains("otel.yaml:10:5") && line.contains("always_on"), "{line}");
    finish(&spanwise);
    spanwise.force_flush_timeout(LONG).unwrap();
    assert_eq!((first_spans.spans(), second_spans.spans()), (2, 0), "the configuration stays");

    fs::write(folder.file(), text(&second.http_endpoint(), "always_on")).unwrap();
    let line = wait_for(&log, "was read again");
    assert!(line.contains("with_endpoint from") && !line.contains("sampler"), "{line}");
    spanwise.force_flush_timeout(LONG).unwrap();
    finish(&spanwise);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_idle(&spanwise.ledger());
    assert_eq!((first_spans.spans(), second_spans.spans()), (2, 1));
    let reports = log.lines().iter().filter(|line| line.contains("otel.yaml")).count();
    assert_eq!(reports, 2, "{:?}", log.lines());
}

/// As Kubernetes updates a ConfigMap.
#[cfg(unix)]
#[test]
fn a_link_that_moves_is_followed_and_the_code_stays_above_the_file() {
    use std::os::unix::fs::symlink;
    let (folder, log) = (Folder::new("links"), DiagnosticLog::default());
    let [(first, _), (second, second_spans)] = receivers();
    for (version, receiver, sampler) in [("v1", &first, "always_on"), ("v2", &second, "always_off")]
    {
        fs::create_dir(folder.0.join(version)).unwrap();
        let text = text(&receiver.http_endpoint(), sampler);
        fs::write(folder.0.join(version).join("otel.yaml"), text).unwrap();
    }
    symlink("v1", folder.0.join("..data")).unwrap();
    symlink("..data/otel.yaml", folder.file()).unwrap();
    let spanwise = watching(&folder, &log).with_sampling_ratio(1.0).build().unwrap();
    symlink("v2", folder.0.join("..data_tmp")).unwrap();
    fs::rename(folder.0.join("..data_tmp"), folder.0.join("..data")).unwrap();
    let line = wait_for(&log, "was read again");
    assert!(!line.contains("with_sampler"), "{line}");
    spanwise.force_flush_timeout(LONG).unwrap();
    finish(&spanwise);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!(second_spans.spans(), 1);
}

#[test]
fn a_watch_ends_with_its_provider_and_holds_none_of_its_parts() {
    struct Marker(Arc<Mutex<bool>>);
    impl Drop for Marker {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = true;
        }
    }
    for shut_down in [true, false] {
        let (folder, log) = (Folder::new("end"), DiagnosticLog::default());
        fs::write(folder.file(), text("http://127.0.0.1:1", "always_on")).unwrap();
        let is_dropped = Arc::new(Mutex::new(false));
        let marker = Marker(is_dropped.clone());
        let spanwise = watching(&folder, &log)
            .with_environment(move |_| {
                let _marker = &marker;
                None
            })
            // Much longer than the patience of this test.
            .with_config_file_watch(Duration::from_secs(3600))
            .build()
            .unwrap();
        if shut_down {
            spanwise.shutdown_timeout(LONG).unwrap();
        }
        drop(spanwise);
        let patience = Instant::now() + LONG;
        while !*is_dropped.lock().unwrap() {
            assert!(Instant::now() < patience, "the thread goes on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn an_interval_that_is_too_short_and_a_watch_without_a_file_are_named() {
    let folder = Folder::new("short");
    fs::write(folder.file(), text("http://127.0.0.1:1", "always_on")).unwrap();
    let log = DiagnosticLog::default();
    let short = watching(&folder, &log).with_config_file_watch(Duration::from_millis(999));
    let error = short.build().unwrap_err().to_string();
    assert_eq!(error, "with_config_file_watch=`999ms`: accepted is 1 s to 30 days");
    let builder = log.attach(Spanwise::builder().with_environment(|_| None));
    let _spanwise = builder.with_config_file_watch(INTERVAL).build().unwrap();
    wait_for(&log, "with_config_file_watch has no effect: there is no configuration file");
}

#[test]
fn a_file_exporter_stays_until_its_path_changes() {
    let (folder, log) = (Folder::new("exporter"), DiagnosticLog::default());
    let write = |name: &str| {
        let output = folder.0.join(name);
        let text = format!(
            "file_format: \"1.1\"\ntracer_provider:\n  processors:\n    - simple:\n        exporter:\n          \
             otlp_file/development:\n            output_stream: file://{}\n",
            output.display()
        );
        fs::write(folder.file(), text).unwrap();
        output
    };
    let ours = || {
        log.attach(Spanwise::builder().with_environment(|_| None)).with_config_file(folder.file())
    };
    let first = write("first.jsonl");
    let spanwise = ours().build().unwrap();
    finish(&spanwise);
    spanwise.force_flush_timeout(LONG).unwrap();
    let reloaded = spanwise.reload(ours()).unwrap();
    assert!(reloaded.is_unchanged(), "{reloaded}");
    finish(&spanwise);
    spanwise.force_flush_timeout(LONG).unwrap();
    let second = write("second.jsonl");
    let reloaded = spanwise.reload(ours()).unwrap();
    assert!(reloaded.to_string().contains("second.jsonl"), "{reloaded}");
    spanwise.force_flush_timeout(LONG).unwrap();
    finish(&spanwise);
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_idle(&spanwise.ledger());
    let lines = |path| fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(first), lines(second)), (2, 1));
}

#[cfg(feature = "tls")]
#[test]
fn a_file_whose_certificate_was_away_is_tried_again_and_the_end_of_an_error_is_reported() {
    let (folder, log) = (Folder::new("retry"), DiagnosticLog::default());
    let old = text("http://127.0.0.1:1", "always_on");
    fs::write(folder.file(), &old).unwrap();
    let _spanwise = watching(&folder, &log).build().unwrap();
    let certificate = folder.0.join("ca.pem");
    let tls = format!("            tls: {{ ca_file: \"{}\" }}\n  sampler:", certificate.display());
    let next = text("https://127.0.0.1:1", "always_on").replace("  sampler:", &tls);
    fs::write(folder.file(), next).unwrap();
    let line = wait_for(&log, "cannot be used");
    assert!(line.contains("ca.pem"), "{line}");
    // More than one interval, in which nothing is reported again.
    std::thread::sleep(INTERVAL * 2);
    fs::write(certificate, spanwise_testkit::pki::Authority::new("servers").unwrap().certificate)
        .unwrap();
    let line = wait_for(&log, "was read again");
    assert!(line.contains("with_endpoint from"), "{line}");
    let reports = || log.lines().iter().filter(|line| line.contains("otel.yaml")).count();
    assert_eq!(reports(), 2, "{:?}", log.lines());
}

#[test]
fn the_return_of_the_content_in_force_ends_an_error() {
    let (folder, log) = (Folder::new("return"), DiagnosticLog::default());
    let text = text("http://127.0.0.1:1", "always_on");
    fs::write(folder.file(), &text).unwrap();
    let _spanwise = watching(&folder, &log).build().unwrap();
    fs::write(folder.file(), text.replace("always_on", "always_onn")).unwrap();
    wait_for(&log, "cannot be used");
    fs::write(folder.file(), text).unwrap();
    let line = wait_for(&log, "was read again");
    assert!(line.ends_with("nothing changed"), "{line}");
}

const CHILD: &str = "SPANWISE_TEST_CHILD";

/// In a process of its own, whose folder it changes.
#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let (folder, log) = (Folder(PathBuf::from(path)), DiagnosticLog::default());
    let write = |sampler: &str| {
        fs::write(folder.file(), text("http://127.0.0.1:1", sampler)).unwrap();
    };
    write("always_on");
    std::env::set_current_dir(&folder.0).unwrap();
    let spanwise = log.attach(Spanwise::builder().with_environment(|_| None));
    let spanwise = spanwise.with_config_file("otel.yaml").with_config_file_watch(INTERVAL);
    let _spanwise = spanwise.build().unwrap();
    std::env::set_current_dir(std::env::temp_dir()).unwrap();
    write("always_off");
    wait_for(&log, "with_sampler");
}

#[test]
fn a_relative_path_is_that_of_the_folder_at_the_time_of_the_build() {
    let folder = Folder::new("relative");
    let output = spanwise_testkit::rerun("child").env(CHILD, &folder.0).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The program's code on the thread of the watch, here the source of variables, would otherwise make events of each reload.
#[cfg(feature = "tracing")]
#[test]
fn tracing_records_nothing_on_the_thread_of_the_watch() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use tracing_subscriber::layer::{Context, SubscriberExt as _};
    use tracing_subscriber::util::SubscriberInitExt as _;

    struct Count(Arc<AtomicUsize>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Count {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            if event.metadata().target() == "of the program" {
                self.0.fetch_add(1, SeqCst);
            }
        }
    }

    spanwise_testkit::in_own_process("tracing_records_nothing_on_the_thread_of_the_watch", || {
        let (folder, log) = (Folder::new("tracing"), DiagnosticLog::default());
        fs::write(folder.file(), text("http://127.0.0.1:1", "always_on")).unwrap();
        let is_read = Arc::new(AtomicBool::new(false));
        let reads = is_read.clone();
        let variables = move |_: &str| {
            reads.store(true, SeqCst);
            tracing::info!(target: "of the program", "a variable is read");
            None
        };
        let builder = watching(&folder, &log).with_environment(variables);
        let _spanwise = builder.build().unwrap();
        let events = Arc::new(AtomicUsize::new(0));
        tracing_subscriber::registry().with(Count(events.clone())).init();
        tracing::info!(target: "of the program", "recorded");
        assert_eq!(events.load(SeqCst), 1);
        is_read.store(false, SeqCst);
        fs::write(folder.file(), text("http://127.0.0.1:1", "always_off")).unwrap();
        wait_for(&log, "was read again");
        assert!(is_read.load(SeqCst), "by the reload");
        assert_eq!(events.load(SeqCst), 1);
    });
}
