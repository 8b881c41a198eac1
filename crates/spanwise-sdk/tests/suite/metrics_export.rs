//! The export of metrics over OTLP, decoded by prost.

use crate::support;

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message as _;
use spanwise_sdk::{
    Compression, Counter, Exporter, MetricsExport, Protocol, SpanKind, Spanwise, SpanwiseBuilder,
};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use support::{DiagnosticLog, LONG};

/// A request over OTLP/HTTP.
struct Received {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Received {
    fn metrics(&self) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest::decode(&*self.body).unwrap()
    }

    /// The sums and gauges with one point, by name.
    fn values(&self) -> BTreeMap<String, i64> {
        let request = self.metrics();
        let scope = &request.resource_metrics[0].scope_metrics[0];
        let values = scope.metrics.iter().filter_map(|metric| {
            let points = match metric.data.as_ref()? {
                Data::Sum(sum) => &sum.data_points,
                Data::Gauge(gauge) => &gauge.data_points,
                _ => return None,
            };
            match points.first()?.value? {
                Value::AsInt(value) if points.len() == 1 => Some((metric.name.clone(), value)),
                _ => None,
            }
        });
        values.collect()
    }
}

/// A server on loopback that answers each request with 200 and `answer`.
fn server(answer: Vec<u8>) -> (SocketAddr, Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (sender, answer) = (sender.clone(), answer.clone());
            std::thread::spawn(move || serve(&stream.unwrap(), &sender, &answer));
        }
    });
    (address, received)
}

/// Serves a connection until it is closed.
fn serve(stream: &TcpStream, sender: &Sender<Received>, answer: &[u8]) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
            Some(line.trim_end().to_owned())
        };
        let path = line()?.split(' ').nth(1)?.to_owned();
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = line()?.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        sender.send(Received { path, headers, body }).ok()?;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        (&*stream).write_all(&[head.as_bytes(), answer].concat()).ok()?;
    }
}

fn to(address: SocketAddr) -> MetricsExport {
    MetricsExport::new().with_endpoint(format!("http://{address}"))
}

fn with(variables: &[(&'static str, &'static str)]) -> SpanwiseBuilder {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    Spanwise::builder()
        .with_diagnostics(|_| {})
        .with_environment(move |name| variables.get(name).map(|value| (*value).to_owned()))
}

/// The export by variables.
fn by(variables: &[(&'static str, &'static str)]) -> SpanwiseBuilder {
    with(variables).with_metrics_export(MetricsExport::new())
}

fn end_spans(spanwise: &Spanwise, spans: usize) {
    let tracer = spanwise.tracer("t");
    (0..spans).for_each(|_| tracer.root("r", SpanKind::Internal).finish());
}

#[test]
fn metrics_are_sent_at_each_interval_and_at_the_shutdown() {
    let (address, received) = server(Vec::new());
    let export = to(address).with_interval(Duration::from_millis(100)).with_header("tenant", "7");
    let bench = support::bench(|it| it.with_service_name("shop").with_metrics_export(export));
    end_spans(&bench.spanwise, 5);
    let first = received.recv_timeout(LONG).unwrap();
    assert_eq!((&*first.path, &*first.headers["tenant"]), ("/v1/metrics", "7"));
    assert_eq!(first.headers["content-type"], "application/x-protobuf");
    let resource = &first.metrics().resource_metrics[0];
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    let text = format!("{:?}", attributes.iter().find(|it| it.key == "service.name").unwrap());
    assert!(text.contains("shop"), "{text}");
    let scope = resource.scope_metrics[0].scope.as_ref().unwrap();
    assert_eq!((&*scope.name, &*scope.version), ("spanwise", env!("CARGO_PKG_VERSION")));
    // The next one comes by itself.
    received.recv_timeout(LONG).unwrap();

    end_spans(&bench.spanwise, 2);
    bench.finish();
    let last = received.try_iter().last().unwrap().values();
    let account = bench.spanwise.ledger();
    assert_eq!(last["otel_spans_created"], account.created as i64);
    assert_eq!(last["otel_spans_exported"], 7, "the final account: {last:?}");
    assert_eq!(account.counter(Counter::MetricExportsFailed), 0);
}

#[test]
fn a_dead_endpoint_of_metrics_costs_no_span_and_no_deadline() {
    // Connections stay in the backlog: no one answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let export = to(listener.local_addr().unwrap()).with_interval(Duration::from_millis(100));
    let bench = support::bench(|it| it.with_metrics_export(export));
    for _ in 0..3 {
        end_spans(&bench.spanwise, 10);
        let report = bench.spanwise.force_flush_timeout(LONG).unwrap();
        assert_eq!(report.ledger.dropped_total(), 0);
    }
    let report = bench.spanwise.shutdown_timeout(Duration::from_millis(300)).unwrap();
    assert!(report.elapsed < LONG, "{report}");
    assert_eq!((report.ledger.exported, report.ledger.in_flight), (30, 0));
    assert_eq!(bench.spanwise.ledger().counter(Counter::MetricExportsFailed), 1);
}

#[test]
fn failures_and_rejections_are_reported_and_counted() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = DiagnosticLog::default();
    let export = to(closed).with_timeout(Duration::from_millis(50));
    let spanwise = log.attach(with(&[]).with_metrics_export(export)).build().unwrap();
    spanwise.shutdown_timeout(LONG).unwrap();
    let lines = log.lines();
    let start = format!("cannot export to http://{closed}/v1/metrics: connection refused");
    assert!(lines.iter().any(|line| line.starts_with(&start)), "{lines:?}");
    assert_eq!(spanwise.ledger().counter(Counter::MetricExportsFailed), 1);

    let partial = ExportMetricsPartialSuccess {
        rejected_data_points: 3,
        error_message: "name is too long".to_owned(),
    };
    let answer = ExportMetricsServiceResponse { partial_success: Some(partial) };
    let (address, _received) = server(answer.encode_to_vec());
    let log = DiagnosticLog::default();
    let builder = log.attach(with(&[]).with_metrics_export(to(address)));
    let spanwise = builder.build().unwrap();
    spanwise.shutdown_timeout(LONG).unwrap();
    let lines = log.lines();
    assert_eq!(lines, ["the receiver rejected 3 data points: name is too long"]);
    assert_eq!(spanwise.ledger().counter(Counter::MetricExportsFailed), 1);
}

/// Value and origin of a setting of metrics.
fn effective(builder: &SpanwiseBuilder, name: &str) -> (String, String) {
    let explanation = builder.explain().unwrap();
    let rows = explanation.iter();
    let row = rows.filter(|row| row.setting.variables.first() == Some(&name)).last();
    let row = row.unwrap_or_else(|| panic!("{name}: {explanation}"));
    (row.value.clone(), row.origin.to_string())
}

#[test]
fn code_precedes_the_variable_of_metrics_and_that_the_settings_of_spans() {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
    const GENERIC: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://generic:4318/otlp");
    const OF_METRICS: (&str, &str) = (ENDPOINT, "http://metrics:4318/own");
    const OF_TRACES: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/t");
    let none = || by(&[]);
    let check = |builder: SpanwiseBuilder, expected: &str| {
        assert_eq!(effective(&builder, ENDPOINT).0, expected);
    };
    check(none(), "http://localhost:4318/v1/metrics");
    check(by(&[OF_TRACES]), "http://localhost:4318/v1/metrics");
    check(by(&[GENERIC, OF_TRACES]), "http://generic:4318/otlp/v1/metrics");
    check(by(&[GENERIC]).with_endpoint("http://c:4318"), "http://c:4318/v1/metrics");
    check(
        by(&[GENERIC]).with_endpoint("http://c/x/v1/traces?k=v"),
        "http://c/x/v1/metrics?[redacted]",
    );
    check(by(&[GENERIC]).with_endpoint("unix:/run/c"), "unix:/run/c");
    check(by(&[OF_METRICS, GENERIC]).with_endpoint("http://c:4318"), "http://metrics:4318/own");
    let own = || MetricsExport::new().with_endpoint("http://own:4318");
    check(with(&[OF_METRICS]).with_metrics_export(own()), "http://own:4318/v1/metrics");
    let grpc = own().with_protocol(Protocol::HttpProtobuf);
    check(with(&[]).with_metrics_export(grpc), "http://own:4318/v1/metrics");
    let error = by(&[]).with_endpoint("http://c/custom").explain().unwrap_err().to_string();
    let start =
        "with_endpoint=`http://c/custom`: metrics cannot go there: accepted is a path that ends";
    assert!(error.starts_with(start), "{error}");

    const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL";
    let json = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    assert_eq!(effective(&by(&[json]), PROTOCOL).0, "http/protobuf");
    let error = by(&[(PROTOCOL, "http/json")]).explain().unwrap_err().to_string();
    assert_eq!(error, format!("{PROTOCOL}=`http/json`: accepted are http/protobuf, grpc"));

    const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION";
    let builder = by(&[]).with_compression(Compression::Gzip);
    assert_eq!(effective(&builder, COMPRESSION).0, "gzip");
    let builder = by(&[(COMPRESSION, "none")]).with_compression(Compression::Gzip);
    let expected = ("none".to_owned(), format!("variable: {COMPRESSION}"));
    assert_eq!(effective(&builder, COMPRESSION), expected);

    for (name, default, own) in [
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000", "5000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "30000", "7000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "10000", "8000"),
    ] {
        assert_eq!(effective(&none(), name).0, default, "{name}");
        let variable = ("variable: ".to_owned() + name, own.to_owned());
        let found = effective(&by(&[(name, own)]), name);
        assert_eq!((found.1, found.0), variable);
    }
    let interval = MetricsExport::new().with_interval(Duration::from_millis(99));
    let error = with(&[]).with_metrics_export(interval).explain().unwrap_err().to_string();
    let start = "MetricsExport::with_interval=`99ms`: accepted is 100 ms to 1 days";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn headers_of_spans_go_to_their_endpoint_alone() {
    let sent = |configure: &dyn Fn(SpanwiseBuilder, SocketAddr) -> SpanwiseBuilder| {
        let (address, received) = server(Vec::new());
        let builder = with(&[("OTEL_EXPORTER_OTLP_HEADERS", "generic=1")]);
        let spanwise = configure(builder, address).with_header("key", "hunter2").build().unwrap();
        spanwise.shutdown_timeout(LONG).unwrap();
        received.recv_timeout(LONG).unwrap().headers
    };
    let same = sent(&|builder, address| {
        builder
            .with_endpoint(format!("http://{address}"))
            .with_metrics_export(MetricsExport::new().with_header("own", "2"))
    });
    assert_eq!([&*same["generic"], &*same["key"], &*same["own"]], ["1", "hunter2", "2"]);
    let other = sent(&|builder, address| builder.with_metrics_export(to(address)));
    assert_eq!((&*other["generic"], other.get("key")), ("1", None));
}

#[test]
fn no_variable_of_metrics_is_read_without_the_export() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "nonsense"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "smoke"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon"),
    ];
    let explanation = with(&variables).explain().unwrap();
    assert!(explanation.reports().is_empty(), "{explanation}");
    let error = with(&variables).with_metrics_export(MetricsExport::new()).build().unwrap_err();
    assert!(
        error.to_string().starts_with("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=`smoke`"),
        "{error}"
    );
    let none = [("OTEL_METRICS_EXPORTER", "none"), variables[0]];
    let builder = with(&none).with_metrics_export(MetricsExport::new());
    assert_eq!(effective(&builder, "OTEL_METRICS_EXPORTER").0, "none");
    // An exporter of the program's own metrics.
    let other = [("OTEL_METRICS_EXPORTER", "prometheus")];
    let builder = with(&other).with_metrics_export(MetricsExport::new());
    assert_eq!(effective(&builder, "OTEL_METRICS_EXPORTER").0, "otlp");
    let builder = with(&[]).with_exporter(Exporter::None);
    let explanation = builder.with_metrics_export(MetricsExport::new()).explain().unwrap();
    let report = explanation.reports()[0].to_string();
    assert!(report.starts_with("with_metrics_export has no effect: "), "{report}");
}

#[test]
fn another_temporality_and_other_histograms_are_reported() {
    let (temporality, histograms) = (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
    );
    let reports = |variables: &[(&'static str, &'static str)]| {
        let builder = with(variables).with_metrics_export(MetricsExport::new());
        let explanation = builder.explain().unwrap();
        explanation.reports().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let served = [(temporality, "Cumulative"), (histograms, "explicit_bucket_histogram")];
    assert_eq!(reports(&served), [""; 0]);
    let other = [(temporality, "delta"), (histograms, "base2_exponential_bucket_histogram")];
    let reports = reports(&other);
    assert!(
        reports[0].starts_with(temporality) && reports[0].contains("cumulative"),
        "{reports:?}"
    );
    assert!(reports[1].starts_with(histograms) && reports.len() == 2, "{reports:?}");
}

#[test]
fn neither_errors_nor_reports_show_a_secret() {
    let url = "http://user:hunter2@c/?key=hunter2";
    let export = || MetricsExport::new().with_header("key", "hunter2");
    let mut shown = vec![format!("{:?}", export().with_endpoint(url))];
    for variable in [
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", url),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", url),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", url),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "hunter2 hunter2=b"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "authorization: hunter2"),
    ] {
        let error = with(&[variable]).with_metrics_export(export()).build().unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    for wrong in [export().with_endpoint(url), export().with_header("a b: hunter2", "")] {
        let error = with(&[]).with_metrics_export(wrong).build().unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    for variable in ["OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRICS_EXPORTER"] {
        let builder =
            with(&[]).with_environment(move |name| (name == variable).then(|| url.into()));
        shown.push(builder.with_metrics_export(export()).explain().unwrap().to_string());
    }
    let query = export().with_endpoint("http://c/v1/metrics?key=hunter2");
    shown.push(with(&[]).with_metrics_export(query).explain().unwrap().to_string());
    for text in shown {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
