//! [`Line`]: an event as a line of text or JSON.

use super::event::{Event, Level};
use super::field::{Field, Fields};
use super::timestamp;
use crate::settings::LogFormat;
use spanwise_admin::__private::Json;
use spanwise_worker::sanitize;
use std::fmt::Write as _;
use std::time::SystemTime;

/// A line, with the parts of it that the live page shows.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) time: SystemTime,
    pub(crate) level: Level,
    /// The event and its fields as text, without the time and the level.
    pub(crate) message: String,
    /// For the standard error, with a line break at its end.
    pub(crate) written: String,
}

impl Line {
    /// The line of an event; `repeated` lines of the same event and subject before it were left out.
    pub(crate) fn new(
        format: LogFormat,
        time: SystemTime,
        event: &Event<'_>,
        repeated: u64,
    ) -> Self {
        let header = Header { time, level: event.level(), name: event.name(), repeated };
        Self::of(format, &header, &event.fields())
    }

    /// A line of the log about itself: `repeated` lines of this name and subject were left out since the last one.
    pub(crate) fn summary(format: LogFormat, header: &Header, subject: &str) -> Self {
        let fields = match subject {
            "" => Fields::new(&[]),
            subject => Fields::new(&[("subject", Field::Text(subject))]),
        };
        Self::of(format, header, &fields)
    }

    fn of(format: LogFormat, header: &Header, fields: &Fields<'_>) -> Self {
        let &Header { time, level, name, repeated } = header;
        let message = message(name, fields, repeated);
        let stamp = timestamp::format(time);
        let written = match format {
            LogFormat::Text => format!("{stamp} {:<5} {message}\n", level.name()),
            LogFormat::Json => json(&stamp, header, fields),
        };
        Self { time, level, message, written }
    }
}

/// The beginning of each line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) time: SystemTime,
    pub(crate) level: Level,
    pub(crate) name: &'static str,
    pub(crate) repeated: u64,
}

/// `name field=value field="a text" repeated=3`.
fn message(name: &str, fields: &Fields<'_>, repeated: u64) -> String {
    let mut text = String::with_capacity(128);
    text.push_str(name);
    for (key, value) in fields.iter() {
        let _infallible = match value {
            Field::Number(number) => write!(text, " {key}={number}"),
            Field::Text(value) => write!(text, " {key}={}", quoted(value)),
        };
    }
    if repeated > 0 {
        let _infallible = write!(text, " repeated={repeated}");
    }
    text
}

fn json(stamp: &str, header: &Header, fields: &Fields<'_>) -> String {
    let mut json = Json::new();
    json.object(|json| {
        json.key("time").string(stamp);
        json.key("level").string(header.level.name());
        json.key("event").string(header.name);
        for (key, value) in fields.iter() {
            match value {
                Field::Number(number) => json.key(key).integer(number),
                Field::Text(value) => json.key(key).string(&sanitize(value, MAX_VALUE_BYTES)),
            }
        }
        if header.repeated > 0 {
            json.key("repeated").integer(header.repeated);
        }
    });
    let mut line = json.finish();
    line.push('\n');
    line
}

/// A value without control characters, in quotation marks unless it is one word.
fn quoted(value: &str) -> String {
    let value = sanitize(value, MAX_VALUE_BYTES);
    let is_word = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
    if !value.is_empty() && value.bytes().all(is_word) {
        return value;
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for letter in value.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// Of each value: a line has at most five.
const MAX_VALUE_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn line(format: LogFormat, event: Event<'_>, repeated: u64) -> String {
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        Line::new(format, time, &event, repeated).written
    }

    #[test]
    fn a_line_of_text_has_the_time_the_level_the_event_and_its_fields() {
        let event =
            Event::DestinationDown { destination: "backend", problem: "connection refused" };
        let expected = "2023-11-14T22:13:20.123Z warn  destination_down destination=backend problem=\"connection refused\" repeated=4\n";
        assert_eq!(line(LogFormat::Text, event, 4), expected);
        let event = Event::Draining { signal: "SIGTERM", timeout_millis: 10_000 };
        let expected =
            "2023-11-14T22:13:20.123Z info  draining signal=SIGTERM timeout_millis=10000\n";
        assert_eq!(line(LogFormat::Text, event, 0), expected);
    }

    #[test]
    fn a_line_of_json_is_read_back_by_another_implementation() {
        let problem = "a \"b\" \\ \u{1b}[2J\n\u{202e}é\u{9b}";
        let event =
            Event::SpansDropped { destination: problem, reason: "rejected", spans: u64::MAX };
        let text = line(LogFormat::Json, event, 2);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "time": "2023-11-14T22:13:20.123Z", "level": "warn", "event": "spans_dropped",
            "destination": "a \"b\" \\ \\u{1b}[2J \\u{202e}é\\u{9b}", "reason": "rejected", "spans": u64::MAX, "repeated": 2,
        });
        assert_eq!(value, expected);
    }

    /// A name of a destination or the text of an error can come from outside.
    #[test]
    fn no_value_makes_a_second_line_or_moves_the_cursor() {
        for hostile in [
            "a\nb",
            "\r",
            "\u{1b}[31m",
            "\u{0}",
            "\u{85}",
            "\u{2028}",
            "\u{7f}",
            &"x\n".repeat(5_000),
        ] {
            let event = Event::DestinationDown { destination: "r", problem: hostile };
            for format in [LogFormat::Text, LogFormat::Json] {
                let text = line(format, event, 0);
                let inner = text.strip_suffix('\n').unwrap();
                assert!(!inner.chars().any(|c| c.is_control() || c == '\u{2028}'), "{inner:?}");
                assert!(text.len() < 2 * MAX_VALUE_BYTES, "{}", text.len());
            }
        }
    }

    #[test]
    fn values_that_are_no_word_are_quoted() {
        for (value, expected) in [
            ("a", "a"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a=b", "\"a=b\""),
            ("\"", "\"\\\"\""),
            ("\\", "\"\\\\\""),
            ("é", "\"é\""),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }

    #[test]
    fn names_are_words_and_differ() {
        let mut names: Vec<_> = Event::ALL.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Event::ALL.len());
        let is_word = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(names.iter().all(is_word));
    }

    #[test]
    fn each_event_is_in_the_table_of_the_page_with_its_fields() {
        let page = include_str!("../../../../../docs/node.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        for (name, level, fields) in Event::ALL {
            let cell = format!("`{name}`");
            let row = rows.iter().find(|row| row.split(" | ").next().unwrap().contains(&cell));
            let row = row.unwrap_or_else(|| panic!("{name}"));
            assert!(row.contains(level.name()), "{row}");
            assert!(fields.iter().all(|field| row.contains(&format!("`{field}`"))), "{row}");
        }
    }
}
