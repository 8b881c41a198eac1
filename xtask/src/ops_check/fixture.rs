//! A target for the scrapes of Prometheus: every metric of the page, healthy or with faults.

use super::tables::{Kind, Metric, Tables};
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Serves the text on a port of 127.0.0.1 until its drop.
pub(super) struct Fixture {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: std::sync::Mutex<State>,
    closed: AtomicBool,
}

/// The seconds without and with faults, of which the counters are made.
struct State {
    healthy: f64,
    faulty: f64,
    is_faulty: bool,
    since: Instant,
}

impl Fixture {
    /// # Errors
    /// The port cannot be bound, or the thread does not start.
    pub(super) fn start(tables: Tables) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = State { healthy: 0.0, faulty: 0.0, is_faulty: false, since: Instant::now() };
        let shared = Arc::new(Shared { state: state.into(), closed: AtomicBool::new(false) });
        let of_thread = shared.clone();
        let serve = move || {
            for connection in listener.incoming() {
                if of_thread.closed.load(Relaxed) {
                    return;
                }
                // A scrape that ends early is one of Prometheus's shutdown.
                let _ended_early = connection.and_then(|c| answer(c, &of_thread, &tables));
            }
        };
        let thread = thread::Builder::new().spawn(serve)?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins or ends the faults.
    pub(super) fn set_faulty(&self, is_faulty: bool) {
        self.shared.advance(|state| state.is_faulty = is_faulty);
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.shared.closed.store(true, Relaxed);
        // The thread waits for a connection.
        let _wakes_it = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn advance<T>(&self, then: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let elapsed = state.since.elapsed().as_secs_f64();
        state.since = Instant::now();
        match state.is_faulty {
            true => state.faulty += elapsed,
            false => state.healthy += elapsed,
        }
        then(&mut state)
    }
}

/// Answers one request, whatever it asks for.
fn answer(connection: TcpStream, shared: &Shared, tables: &Tables) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&connection).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let text = shared.advance(|state| text(tables, state.healthy, state.faulty, state.is_faulty));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
    write!(&connection, "{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// The metrics after these seconds without and with faults.
fn text(tables: &Tables, healthy: f64, faulty: f64, is_faulty: bool) -> String {
    let mut text = String::new();
    for metric in &tables.metrics {
        let Metric { name, kind, .. } = metric;
        let (type_of, at) = match kind {
            Kind::Counter => ("counter", None),
            Kind::Gauge => ("gauge", Some(is_faulty)),
            Kind::Histogram => ("histogram", None),
        };
        let _infallible = writeln!(text, "# TYPE {name} {type_of}");
        for labels in combinations(metric, tables) {
            let is_loss = labels.contains("error_type=");
            let (good, bad) = values(name, is_loss);
            let value = match at {
                Some(true) => bad,
                Some(false) => good,
                None => good * healthy + bad * faulty,
            };
            write_series(&mut text, name, *kind, &labels, value);
        }
    }
    text
}

fn write_series(text: &mut String, name: &str, kind: Kind, labels: &str, value: f64) {
    let braces = |labels: &str| {
        if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
    };
    let comma = if labels.is_empty() { "" } else { "," };
    let mut line = |end: &str, labels: &str, value: f64| {
        let _infallible = writeln!(text, "{name}{end}{} {value}", braces(labels));
    };
    if kind != Kind::Histogram {
        return line("", labels, value);
    }
    for (bound, part) in [("0.005", 0.5), ("0.05", 0.9), ("0.5", 1.0), ("+Inf", 1.0)] {
        line("_bucket", &format!("{labels}{comma}le=\"{bound}\""), value * part);
    }
    line("_sum", labels, value * 0.01);
    line("_count", labels, value);
}

/// The labels of every series of a metric.
fn combinations(metric: &Metric, tables: &Tables) -> Vec<String> {
    metric.attributes.iter().fold(vec![String::new()], |all, attribute| {
        let values = tables.attributes.get(attribute).map(Vec::as_slice).unwrap_or_default();
        let with = |labels: &String, value: &String| match (value.as_str(), labels.as_str()) {
            ("", _) => labels.clone(),
            (_, "") => format!("{attribute}=\"{value}\""),
            _ => format!("{labels},{attribute}=\"{value}\""),
        };
        all.iter().flat_map(|labels| values.iter().map(move |value| with(labels, value))).collect()
    })
}

/// The value of a gauge, or the growth of a counter per second: in health and under faults.
fn values(name: &str, is_loss: bool) -> (f64, f64) {
    match name {
        "otel_sdk_cpu_usage_percent" => (3.0, 50.0),
        "otel_sdk_memory_usage_bytes" => (8e6, 3e8),
        "otel_spans_dropped_total" => (1.0, 1000.0),
        "otel_spans_exported_total" => (1000.0, 0.0),
        "otel_sdk_exporter_span_exported_total" if is_loss => (1.0, 1000.0),
        "otel_sdk_exporter_span_exported_total" => (1000.0, 0.0),
        "otel_sdk_processor_span_queue_size" => (10.0, 2000.0),
        "otel_sdk_processor_span_queue_capacity" => (2048.0, 2048.0),
        "spanwise_queue_usage_bytes" => (1e5, 1.19e7),
        "spanwise_queue_limit_bytes" => (1.2e7, 1.2e7),
        _ => (100.0, 100.0),
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::tables::tests::page;
    use super::*;

    #[test]
    fn a_series_has_each_value_of_its_attribute() {
        let tables = Tables::read(&page("| `a_total` | spans | counter | `reason` | x |")).unwrap();
        let expected = "# TYPE a_total counter\na_total 300\na_total{reason=\"tls\"} 300\n";
        assert_eq!(text(&tables, 2.0, 1.0, false), expected);
    }

    #[test]
    fn a_gauge_changes_with_the_faults_and_a_histogram_has_its_buckets() {
        let rows =
            "| `otel_sdk_cpu_usage_percent` | % | gauge | | x |\n| `a` | s | histogram | | x |";
        let tables = Tables::read(&page(rows)).unwrap();
        assert!(text(&tables, 1.0, 0.0, false).contains("_percent 3\n"));
        let faulty = text(&tables, 1.0, 0.0, true);
        assert!(faulty.contains("_percent 50\n"), "{faulty}");
        assert!(faulty.contains("a_bucket{le=\"+Inf\"} 100\n"), "{faulty}");
    }

    #[test]
    fn a_request_gets_the_text() {
        let tables = Tables::read(&page("| `a` | spans | gauge | | x |")).unwrap();
        let fixture = Fixture::start(tables).unwrap();
        let answer = super::super::http::get(fixture.address(), "/metrics", PATIENCE).unwrap();
        assert_eq!(answer, "# TYPE a gauge\na 100\n");
    }
}
