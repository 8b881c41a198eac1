//! The endpoint over raw sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod common;

use common::{endpoint, get, provider};
use serde_json::Value;
use spanwise_sdk::{Bytes, Outcome, SpanKind, Spanwise};

#[test]
fn metrics_have_the_format_that_accept_prefers() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    spanwise.tracer("t").root("checkout", SpanKind::Server).finish();
    let (head, body) = get(admin.local_addr(), "/metrics", "");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(body.contains("\notel_spans_created_total 1\n"), "{body}");
    assert!(body.contains("\ntarget_info{service_name=\"shop\"} 1\n"), "{body}");
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let (head, body) = get(admin.local_addr(), "/metrics", accept);
    assert!(
        head.contains("\r\nContent-Type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(body.contains("\ntarget_info{service_name=\"shop\"} 1\n"), "{body}");
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[test]
fn the_json_has_the_account_of_all_spans() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    for _ in 0..3 {
        spanwise.tracer("t").root("checkout", SpanKind::Server).finish();
    }
    spanwise.force_flush().unwrap();
    let (head, body) = get(admin.local_addr(), "/debug/spanwise.json", "");
    assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["service_name"], "shop");
    assert_eq!(value["state"], "running");
    assert_eq!((&value["spans"]["created"], &value["spans"]["exported"]), (&3.into(), &3.into()));
    assert_eq!(value["budget"]["limit_bytes"], 16 << 20);
    assert_eq!(value["destinations"].as_array().map(Vec::len), Some(1));
    assert!(value["uptime_seconds"].as_f64().unwrap() > 0.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let time = value["time_unix_seconds"].as_f64().unwrap();
    assert!((time - now.as_secs_f64()).abs() < 60.0, "{time}");
}

#[test]
fn the_json_has_recent_spans_without_attribute_values_and_the_latest_diagnostics() {
    let reject = |_request: Bytes| async {
        Outcome::Accepted { rejected: 1, message: Some("no space".into()) }
    };
    let spanwise = Spanwise::builder().with_environment(|_| None).with_sink(reject);
    let spanwise = spanwise.with_diagnostics(|_| {}).build().unwrap();
    let admin = endpoint(&spanwise);
    let data = || -> Value {
        let (_, body) = get(admin.local_addr(), "/debug/spanwise.json", "");
        assert!(!body.contains("hunter2canary"), "{body}");
        serde_json::from_str(&body).unwrap()
    };
    assert_eq!(data()["recent_spans"]["spans"], Value::Array(Vec::new()));
    let tracer = spanwise.tracer("scope");
    let mut root = tracer.root("GET /", SpanKind::Server);
    root.attribute("password", "hunter2canary");
    let mut child = tracer.child("SELECT", SpanKind::Client, root.context());
    child.event("hunter2canary", &[]);
    child.finish();
    root.finish();
    spanwise.force_flush().unwrap();
    let data = data();
    let spans = data["recent_spans"]["spans"].as_array().unwrap();
    let names: Vec<_> = spans.iter().map(|span| &span["name"]).collect();
    assert_eq!(names, ["SELECT", "GET /"]);
    assert_eq!(spans[0]["parent_span_id"], spans[1]["span_id"]);
    assert_eq!(spans[0]["trace_id"], spans[1]["trace_id"]);
    assert_eq!(spans[1]["parent_span_id"], Value::Null);
    assert_eq!((&spans[0]["kind"], &spans[1]["kind"]), (&"client".into(), &"server".into()));
    assert_eq!((&spans[0]["status"], &spans[0]["scope"]), (&"unset".into(), &"scope".into()));
    assert!(spans[0]["start_unix_micros"].as_u64() >= spans[1]["start_unix_micros"].as_u64());
    assert!(spans[0]["duration_micros"].as_f64() <= spans[1]["duration_micros"].as_f64());
    let diagnostics = data["diagnostics"].as_array().unwrap();
    let has =
        |text: &str| diagnostics.iter().any(|it| it["message"].as_str().unwrap().contains(text));
    assert!(has("no space"), "{diagnostics:?}");
    assert!(diagnostics.iter().all(|it| it["level"] == "error"), "{diagnostics:?}");
    assert_eq!(data["spans"]["dropped_by_reason"]["partial_rejected"], 1);
}

/// The values that the page draws are those of the metrics, under the names of `docs/operations/metrics.md`.
#[test]
fn the_json_has_the_queue_the_requests_and_the_latency_of_the_metrics() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    for _ in 0..3 {
        spanwise.tracer("t").root("checkout", SpanKind::Server).finish();
        spanwise.force_flush().unwrap();
    }
    let (_, text) = get(admin.local_addr(), "/metrics", "");
    assert!(text.len() < 64 << 10, "{}", text.len());
    let of_text = |name: &str| -> Option<f64> {
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|it| it.starts_with(' ')));
        line?.rsplit(' ').next()?.parse().ok()
    };
    let (_, body) = get(admin.local_addr(), "/debug/spanwise.json", "");
    let data: Value = serde_json::from_str(&body).unwrap();
    let exporter = &data["exporter"];
    for (value, name) in [
        (&data["queue"]["used_bytes"], "spanwise_queue_usage_bytes"),
        (&data["queue"]["limit_bytes"], "spanwise_queue_limit_bytes"),
        (&exporter["requests"], "spanwise_exporter_requests_total"),
        (&exporter["retries"], "spanwise_exporter_retries_total"),
        (&exporter["uncompressed_bytes"], "spanwise_exporter_uncompressed_bytes_total"),
        (&data["durations"]["export"]["count"], "otel_export_duration_seconds_count"),
        (&data["durations"]["stall"]["count"], "otel_sdk_stall_duration_seconds_count"),
    ] {
        assert!(of_text(name).is_some(), "{name} in {text}");
        assert_eq!(value.as_f64(), of_text(name), "{name}");
    }
    assert_eq!(exporter["requests"], 3);
    assert!(
        exporter["inflight_spans"].is_number() && data["cpu"]["sdk_percent"].is_number(),
        "{body}"
    );
    let p99 = data["durations"]["export"]["p99_seconds"].as_f64().unwrap();
    assert!(p99 > 0.0 && p99 < 60.0, "{p99}");
}

/// The names in backticks of a cell.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The keys of the objects in a value, also of those in arrays and below.
fn keys<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        found.push(key);
        keys(inner, found);
    }
    value.as_array().into_iter().flatten().for_each(|inner| keys(inner, found));
}

#[test]
fn the_readme_lists_each_field_of_the_json() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let data = || -> Value {
        serde_json::from_str(&get(admin.local_addr(), "/debug/spanwise.json", "").1).unwrap()
    };
    let _watched = data();
    spanwise.tracer("t").root("checkout", SpanKind::Server).finish();
    spanwise.force_flush().unwrap();
    let data = data();
    let (_, table) = include_str!("../README.md").split_once("| field | type and unit |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    let cells = |row: &'static str| row.split('|').map(str::trim).collect::<Vec<_>>();
    let fields: Vec<&str> = rows.iter().flat_map(|row| names(cells(row)[1])).collect();
    let mut sorted = fields.clone();
    sorted.sort_unstable();
    let mut present: Vec<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
    present.sort_unstable();
    assert_eq!(sorted, present);
    for row in &rows {
        let cells = cells(row);
        // Its keys are names of the ledger.
        for field in names(cells[1]).into_iter().filter(|field| *field != "counters") {
            let mut inner = Vec::new();
            keys(&data[field], &mut inner);
            let unlisted: Vec<_> =
                inner.into_iter().filter(|key| !names(cells[2]).contains(key)).collect();
            assert!(unlisted.is_empty(), "{field}: {unlisted:?}");
        }
    }
}

#[test]
fn the_attributes_of_sampled_spans_have_no_values_and_the_fields_of_their_page() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let data = || -> Value {
        let (head, body) = get(admin.local_addr(), "/debug/attributes.json", "");
        assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
        assert!(!body.contains("hunter2canary"), "{body}");
        serde_json::from_str(&body).unwrap()
    };
    // Spans are sampled from the first request on.
    assert_eq!((&data()["spans"], &data()["keys"]), (&0.into(), &Value::Array(Vec::new())));
    for _ in 0..200 {
        let mut span = spanwise.tracer("t").root("checkout", SpanKind::Server);
        span.attribute("password", "hunter2canary");
        span.finish();
    }
    spanwise.force_flush().unwrap();
    let data = data();
    assert_eq!((&data["spans"], &data["malformed"]), (&200.into(), &0.into()));
    let key = &data["keys"][0];
    assert_eq!((&key["place"], &key["key"]), (&"span".into(), &"password".into()));
    assert_eq!((&key["occurrences"], &key["values"]), (&200.into(), &1.into()));
    assert_eq!((&key["one_value"], &key["near_unique"]), (&true.into(), &false.into()));
    let advice = data["advice"].to_string();
    assert!(advice.contains("`password` has one value in 200 spans"), "{advice}");
    let page = include_str!("../../../docs/attributes.md");
    let (_, table) = page.split_once("| field | type and unit |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut listed: Vec<_> = rows.flat_map(|row| names(row.split('|').nth(1).unwrap())).collect();
    let mut present = Vec::new();
    keys(&data, &mut present);
    for list in [&mut listed, &mut present] {
        list.sort_unstable();
        list.dedup();
    }
    assert_eq!(listed, present);
}
