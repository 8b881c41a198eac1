//! Frames as the terminal shows them; `SPANWISE_BLESS=1` writes their files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::history::History;
use super::model::Model;
use super::once;
use super::palette::Palette;
use super::screen::Screen;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};
use std::path::Path;

const PROCESS: &str = include_str!("../../tests/top/process.json");

/// Two answers, a second and 12,345 spans apart.
fn history(change: impl Fn(&mut Value)) -> History {
    let mut history = History::default();
    let mut document: Value = serde_json::from_str(PROCESS).unwrap();
    change(&mut document);
    for second in 0..2_u64 {
        document["uptime_seconds"] = json!(3723 + second);
        document["spans"]["created"] = json!(1_234_567 + 12_345 * second);
        if let Some(dropped) = document.pointer_mut("/spans/dropped_by_reason/queue_bytes") {
            *dropped = json!(3000 + 42 * second);
        }
        history.push(Model::parse(document.to_string().as_bytes()).unwrap());
    }
    history
}

fn screen<'a>(history: &'a History, problem: Option<&'a str>) -> Screen<'a> {
    let palette = Palette::monochrome();
    Screen { address: "127.0.0.1:9464", history, problem, palette }
}

/// The frame of a terminal with this size.
fn frame(screen: &Screen<'_>, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| frame.render_widget(screen, frame.area())).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |row: u16| -> String {
        (0..columns).map(|column| buffer.cell((column, row)).unwrap().symbol()).collect()
    };
    (0..rows).map(|index| row(index).trim_end().to_owned() + "\n").collect()
}

fn check(name: &str, frame: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/top").join(name);
    if std::env::var_os("SPANWISE_BLESS").is_some() {
        return std::fs::write(path, frame).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    assert!(expected == frame, "SPANWISE_BLESS=1 writes {name}, if this is right:\n{frame}");
}

#[test]
fn a_frame_fits_the_smallest_terminal() {
    check("frame-80x24.txt", &frame(&screen(&history(|_| {}), None), 80, 24));
}

#[test]
fn a_larger_terminal_shows_more_traces() {
    check("frame-120x40.txt", &frame(&screen(&history(|_| {}), None), 120, 40));
}

#[test]
fn a_problem_is_shown_over_the_last_answer() {
    let problem = "http://127.0.0.1:9464/debug/spanwise.json: the connection failed";
    check("frame-problem.txt", &frame(&screen(&history(|_| {}), Some(problem)), 80, 24));
}

#[test]
fn a_process_without_metrics_is_shown_with_what_it_has() {
    let history = history(|document| {
        let spans = json!({ "created": 0 });
        *document = json!({ "schema": 1, "state": "shut_down", "spans": spans });
    });
    check("frame-empty.txt", &frame(&screen(&history, None), 80, 24));
}

#[test]
fn the_rows_of_a_process_with_tail_sampling_add_up() {
    let history = history(|document| {
        document["spans"]["tail_not_sampled"] = json!(700_000);
        document["spans"]["tail_dropped"] = json!(8);
        document["spans"]["exported"] = json!(330_992);
    });
    let text = frame(&screen(&history, None), 80, 24);
    let number = |name: &str| -> u64 {
        let row = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        row.split_whitespace().next().and_then(|number| number.parse().ok()).expect(name)
    };
    let outcomes = ["sampled out", "tail: not sampled", "exported", "dropped", "in flight"];
    assert_eq!(number("tail: not sampled"), 700_008, "{text}");
    // The answer has 12,345 spans more in `created` alone.
    assert_eq!(outcomes.map(number).iter().sum::<u64>() + 12_345, number("created"), "{text}");
}

#[test]
fn the_rows_of_a_process_with_a_spool_add_up() {
    let history = history(|document| {
        document["spans"]["recovered"] = json!(5_000);
        document["spans"]["spooled"] = json!(6_000);
        document["spans"]["exported"] = json!(1_030_000);
    });
    let text = frame(&screen(&history, None), 80, 24);
    let number = |name: &str| -> u64 {
        let row = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        row.split_whitespace().next().and_then(|number| number.parse().ok()).expect(name)
    };
    let outcomes = ["sampled out", "exported", "dropped", "on disk", "in flight"];
    // The answer has 12,345 spans more in `created` alone.
    let missing =
        number("created") + number("recovered") - outcomes.map(number).iter().sum::<u64>();
    assert_eq!((missing, number("on disk")), (12_345, 6_000), "{text}");
}

#[test]
fn a_process_with_redaction_has_its_values_and_failures() {
    let rules = |values: [u64; 2]| values.map(|values| json!({ "name": "r", "values": values }));
    for (failures, end) in [(0, ""), (2, "2 failed")] {
        let history = history(|document| {
            document["redaction"] = json!({ "failures": failures, "rules": rules([1_200, 34]) });
        });
        let text = frame(&screen(&history, None), 80, 24);
        let row = text.lines().find_map(|line| line.strip_prefix("redacted")).unwrap();
        assert!(row.trim_start().starts_with("1234"), "{text}");
        assert!(row.contains(end), "{text}");
        assert!(text.contains("CPU"), "{text}");
    }
    let without = frame(&screen(&history(|_| {}), None), 80, 24);
    assert!(!without.contains("redacted"), "{without}");
}

#[test]
fn a_frame_as_text_is_that_of_a_terminal() {
    let history = history(|_| {});
    let screen = screen(&history, None);
    assert_eq!(once::text(&screen, 80, 24), frame(&screen, 80, 24).trim_end());
}

#[test]
fn no_size_and_no_answer_is_a_panic() {
    let (full, empty) = (history(|_| {}), History::default());
    for (columns, rows) in [(1, 1), (2, 40), (200, 1), (10, 5), (40, 12), (79, 23), (500, 200)] {
        for history in [&full, &empty] {
            frame(&screen(history, None), columns, rows);
            frame(&screen(history, Some("a problem")), columns, rows);
        }
    }
}

#[test]
fn a_hostile_process_does_not_reach_the_terminal() {
    let evil =
        format!("\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}H\r\n\u{202e}{}", "e\u{301}\u{308}日".repeat(500));
    let span = |name: &str| json!({ "trace_id": name, "span_id": name, "name": name, "start_unix_micros": 1e300, "duration_micros": 1e18, "status": name });
    let history = history(|document| {
        for pointer in ["/service_name", "/state", "/sampler/description"] {
            *document.pointer_mut(pointer).unwrap() = json!(evil);
        }
        let counts = json!({ &evil: u64::MAX, "b": u64::MAX });
        document["spans"] =
            json!({ "created": 0, "dropped": u64::MAX, "dropped_by_reason": counts });
        let destination = json!({ "endpoint": evil, "last_failure": evil });
        document["destinations"] = json!([destination, destination]);
        let report = json!({ "level": evil, "message": evil, "time_unix_seconds": -1e300 });
        document["diagnostics"] = json!([report, report]);
        document["recent_spans"]["spans"] = json!([span(&evil), span("b")]);
        document["budget"] = json!({ "used_bytes": u64::MAX, "limit_bytes": 1 });
        document["cpu"] = json!({ "sdk_percent": 1e300, "exporter_percent": -1 });
    });
    for (columns, rows) in [(80, 24), (300, 100)] {
        let text = frame(&screen(&history, Some("")), columns, rows);
        let is_harmful =
            |letter: char| letter != '\n' && letter.is_control() || letter == '\u{202e}';
        assert!(!text.contains(is_harmful), "{text:?}");
        assert!(text.contains("[2J]0;xH"), "the rest of a name is shown: {text}");
    }
}
