//! The units and manifests of `docs/deploy/` set variables that exist to values that are accepted, and leave the time
//! that a shutdown takes. `cargo xtask deploy-check` has systemd, Kubernetes' types, the Collector and nginx read them.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

use spanwise::Spanwise;
use spanwise::config::{Origin, settings};
use std::collections::BTreeMap;

const UNIT: &str = include_str!("../../../docs/deploy/shop.service");
const FILE: &str = include_str!("../../../docs/deploy/shop.env");
const SECRETS: &str = include_str!("../../../docs/deploy/shop.secrets.env");
const MANIFEST: &str = include_str!("../../../docs/deploy/kubernetes.yaml");
const PAGE: &str = include_str!("../../../docs/deploy/README.md");

type Variables = BTreeMap<String, String>;

/// The assignments of a file of systemd.
fn of_file(text: &str) -> Variables {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once('=').map(owned).unwrap()).collect()
}

/// The variables of the manifest, with values as Kubernetes makes them.
fn of_manifest() -> Variables {
    let mut variables = Variables::new();
    for entry in MANIFEST.split("            - name: ").skip(1) {
        let (name, rest) = entry.split_once('\n').unwrap();
        if !name.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            continue; // a port, a volume
        }
        let rest = rest.trim_start();
        let value = match rest.strip_prefix("value:") {
            Some(value) => value.trim_start().trim_start_matches(">-").trim_start(),
            None if rest.contains("secretKeyRef") => {
                MANIFEST.split("\n  headers: ").nth(1).unwrap()
            }
            None => "of-the-pod",
        };
        let mut value = value.lines().next().unwrap().trim_matches('"').to_owned();
        for (known, set) in &variables {
            value = value.replace(&format!("$({known})"), set);
        }
        assert!(!value.contains("$("), "{name}={value}");
        assert_eq!(variables.insert(name.to_owned(), value), None, "{name} is there twice");
    }
    variables
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn is_ours(name: &str) -> bool {
    name.starts_with("OTEL_") || name.starts_with("SPANWISE_")
}

/// Each variable is in force, and a build reports nothing.
fn check(variables: Variables) {
    assert!(variables.keys().filter(|name| is_ours(name)).count() >= 8, "{variables:?}");
    let set = variables.clone();
    let builder = Spanwise::builder().with_environment(move |name| set.get(name).cloned());
    let explanation = builder.explain().unwrap();
    assert_eq!(explanation.reports().len(), 0, "{:?}", explanation.reports());
    assert_eq!(explanation.features(), [] as [&str; 0]);
    for name in variables.keys().filter(|name| is_ours(name)) {
        let in_force =
            |origin: &Origin| matches!(origin, Origin::Variable { name: of } if of == name);
        let found = explanation.iter().any(|effective| in_force(&effective.origin));
        assert!(found, "{name} is not in force:\n{explanation}");
    }
}

#[test]
fn the_files_of_systemd_set_the_provider() {
    let mut variables = of_file(FILE);
    assert!(!variables.contains_key(HEADERS));
    variables.extend(of_file(SECRETS));
    check(variables);
}

#[test]
fn the_manifest_sets_the_provider() {
    let variables = of_manifest();
    let resource = &variables["OTEL_RESOURCE_ATTRIBUTES"];
    for key in ["k8s.pod.name=", "k8s.pod.uid=", "k8s.namespace.name=", "k8s.node.name="] {
        assert!(resource.contains(&format!("{key}of-the-pod")), "{resource}");
    }
    check(variables);
}

#[test]
fn every_variable_that_is_named_is_a_setting() {
    let known: Vec<_> = settings().iter().flat_map(|setting| setting.variables).collect();
    let mut seen = 0;
    for text in [UNIT, FILE, SECRETS, MANIFEST, PAGE] {
        let words =
            text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        for name in words.filter(|word| is_ours(word)) {
            seen += 1;
            assert!(known.contains(&&name), "{name}");
        }
    }
    assert!(seen >= 20, "only {seen} variables were found");
}

/// The program of the page, as a user pastes it, with a service that records spans and reports that it runs.
#[cfg(unix)]
mod program {
    use tokio::signal::unix::{SignalKind, signal};

    #[tokio::main]
    pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
        let tracing = spanwise::Spanwise::builder().with_production_preset().init()?;
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = tokio::net::TcpListener::bind(std::env::var("SHOP_LISTEN")?).await?;
        axum::serve(listener, router())
            .with_graceful_shutdown(async move { terminate.recv().await.unwrap_or_default() })
            .await?;
        eprintln!("{}", tracing.shutdown()?); // at most 5 s: `with_shutdown_timeout`
        Ok(())
    }

    fn router() -> axum::Router {
        use spanwise::opentelemetry::{global, trace::Tracer as _};
        let tracer = global::tracer("shop");
        // The preset samples one in ten: without a single one, 0.9^1000.
        (0..1_000).for_each(|_| drop(tracer.start("GET /orders")));
        println!("{}", super::RUNNING);
        axum::Router::new()
    }
}

#[test]
fn the_program_of_the_page_is_the_one_that_is_tested() {
    let source = include_str!("deploy.rs").split("mod program {\n").nth(1).unwrap();
    let (program, _) = source.split_once("\n    fn router()").unwrap();
    let lines = program.trim().lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    let program = lines.collect::<Vec<_>>().join("\n").replace("pub async", "async");
    assert!(PAGE.contains(&program), "the page has another program:\n{program}");
}

#[cfg(unix)]
#[test]
#[ignore = "the process of the test below"]
fn child() {
    if std::env::var_os("SHOP_LISTEN").is_some() {
        program::main().unwrap();
    }
}

/// SIGTERM ends `main`, and the shutdown exports the spans that wait: their batch is due after 5 s.
#[cfg(unix)]
#[test]
fn a_signal_ends_the_program_after_its_last_spans() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let (receiver, collected) = spanwise_receiver::Receiver::collecting().unwrap();
    let mut child = spanwise_testkit::rerun("child")
        .env("SHOP_LISTEN", "127.0.0.1:0")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with(RUNNING)), "the program did not start");
    let terminated = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(terminated.unwrap().success());
    lines.for_each(drop); // until the end of its output
    assert!(child.wait().unwrap().success());
    assert!(collected.spans() > 0, "no span arrived");
}

const RUNNING: &str = "the program runs";

/// Headers hold a token: the manifest has them from a secret, and the unit from a file of root.
#[test]
fn headers_are_set_by_secrets_alone() {
    let (_, entry) = MANIFEST.split_once(&format!("- name: {HEADERS}\n")).unwrap();
    assert!(entry.trim_start().starts_with("valueFrom:\n                secretKeyRef:"), "{entry}");
    assert!(
        !UNIT.contains("Environment=")
            && UNIT.contains("EnvironmentFile=-/etc/shop/shop.secrets.env")
    );
}

#[test]
fn the_process_is_ended_after_the_shutdown() {
    let timeout = settings().iter().find(|it| it.methods.contains(&"with_shutdown_timeout"));
    let shutdown = timeout.unwrap().default.parse::<u64>().unwrap() / 1000;
    let number = |text: &str, before: &str| {
        let (_, rest) = text.split_once(before).unwrap();
        let digits = rest.chars().take_while(char::is_ascii_digit);
        digits.collect::<String>().parse::<u64>().unwrap()
    };
    assert!(number(UNIT, "\nTimeoutStopSec=") >= REQUESTS + shutdown + 5);
    let before = number(MANIFEST, "preStop:\n              sleep:\n                seconds: ");
    let grace = number(MANIFEST, " terminationGracePeriodSeconds: ");
    assert!(grace >= before + REQUESTS + shutdown + 5);
    // The comments, and the page, state the number.
    for text in [UNIT, MANIFEST, PAGE] {
        assert!(text.contains(&format!("the last spans {shutdown} s")), "{shutdown} s");
    }
}

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Seconds for open requests.
const REQUESTS: u64 = 15;
