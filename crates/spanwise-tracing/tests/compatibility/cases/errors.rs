//! Errors in fields, and the four options about them.

use super::Case;
use super::events::without_callsites;
use crate::bench::{Bench, PLAIN, Setup};
use crate::{differs, same};
use std::error::Error;
use std::fmt;
use tracing::field::Empty;
use tracing::{error, info, info_span, warn};

const NO_FIELDS: Setup = Setup { fields_to_exceptions: false, ..PLAIN };
const NO_RECORDS: Setup = Setup { records_to_exceptions: false, ..PLAIN };
const NO_STATUS: Setup = Setup { events_to_status: false, ..PLAIN };
const NO_EXCEPTIONS: Setup = Setup { events_to_exceptions: false, ..PLAIN };
const NONE: Setup = Setup {
    fields_to_exceptions: false,
    records_to_exceptions: false,
    events_to_status: false,
    events_to_exceptions: false,
    ..PLAIN
};

const UNIQUE: &str =
    "The specification requires unique keys, and that the last value of a key wins.";
const NOT_QUOTED: &str = "A text is not quoted: the description of a status is for people.";

pub fn cases() -> Vec<Case> {
    let mut cases = fields();
    cases.extend(event_errors());
    cases.extend(options());
    cases
}

#[derive(Debug)]
struct Failed {
    text: &'static str,
    source: Option<Box<Failed>>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// An order that failed because the disk is full.
fn failed() -> Failed {
    let disk = Failed { text: "disk full", source: None };
    let store = Failed { text: "not stored", source: Some(Box::new(disk)) };
    Failed { text: "no order", source: Some(Box::new(store)) }
}

fn with_error(it: &Bench) -> String {
    let failed = failed();
    drop(info_span!("a", cause = &failed as &dyn Error));
    it.text()
}

fn event_with_error(it: &Bench) -> String {
    let failed = failed();
    info_span!("a").in_scope(|| warn!(cause = &failed as &dyn Error, "order"));
    it.text()
}

fn error_text(it: &Bench) -> String {
    info_span!("a").in_scope(|| error!(error = %failed()));
    without_callsites(it.text())
}

fn fields() -> Vec<Case> {
    vec![
        same("A span with an error (`&dyn Error`)", PLAIN, with_error),
        same("… with `with_error_fields_to_exceptions(false)`", NO_FIELDS, with_error),
        same("An error without a source", PLAIN, |it| {
            let failed = Failed { text: "alone", source: None };
            drop(info_span!("a", cause = &failed as &dyn Error));
            it.text()
        }),
        same("An error that is recorded later", PLAIN, |it| {
            let failed = failed();
            let span = info_span!("a", cause = Empty).entered();
            span.record("cause", &failed as &dyn Error);
            drop(span);
            it.text()
        }),
        differs(
            "A span with two errors",
            PLAIN,
            |it| {
                let (first, second) = (failed(), Failed { text: "second", source: None });
                drop(info_span!("a", x = &first as &dyn Error, y = &second as &dyn Error));
                it.text()
            },
            UNIQUE,
        ),
        same("An error by `%` and `?` is text", PLAIN, |it| {
            drop(info_span!("a", error = %failed(), other = ?Failed { text: "x", source: None }));
            it.text()
        }),
    ]
}

fn event_errors() -> Vec<Case> {
    vec![
        same("An event with an error, and its span", PLAIN, event_with_error),
        same("… with `with_error_fields_to_exceptions(false)`", NO_FIELDS, event_with_error),
        same("… with `with_error_records_to_exceptions(false)`", NO_RECORDS, event_with_error),
        same("… with both", Setup { records_to_exceptions: false, ..NO_FIELDS }, event_with_error),
        differs(
            "Two events with errors in one span",
            PLAIN,
            |it| {
                let (first, second) = (failed(), Failed { text: "second", source: None });
                info_span!("a").in_scope(|| {
                    warn!(cause = &first as &dyn Error, "one");
                    warn!(cause = &second as &dyn Error, "two");
                });
                it.text()
            },
            UNIQUE,
        ),
        same("An error event before its span is entered", PLAIN, |it| {
            let (span, failed) = (info_span!("a"), failed());
            error!(parent: &span, cause = &failed as &dyn Error, "order");
            drop(span);
            it.text()
        }),
        same("The field `error` of an event before its span is entered", PLAIN, |it| {
            let span = info_span!("a");
            error!(parent: &span, error = %failed());
            drop(span);
            it.text()
        }),
        same("A `dyn Error` in the field `error`", PLAIN, |it| {
            let failed = failed();
            info_span!("a").in_scope(|| error!(error = &failed as &dyn Error));
            without_callsites(it.text())
        }),
        same("A `dyn Error` as the message", PLAIN, |it| {
            let failed = failed();
            info_span!("a").in_scope(|| error!(message = &failed as &dyn Error));
            without_callsites(it.text())
        }),
        same("The field `error` of an event without a message, by `%`", PLAIN, error_text),
        same("… by `?`", PLAIN, |it| {
            info_span!("a").in_scope(|| error!(error = ?Failed { text: "x", source: None }));
            it.text()
        }),
        differs(
            "… as a string",
            PLAIN,
            |it| {
                info_span!("a").in_scope(|| error!(error = "no stock"));
                it.text()
            },
            NOT_QUOTED,
        ),
        same("… of another level", PLAIN, |it| {
            info_span!("a").in_scope(|| info!(error = %"no stock"));
            it.text()
        }),
        same("… as a number", PLAIN, |it| {
            info_span!("a").in_scope(|| error!(error = -1));
            without_callsites(it.text())
        }),
        same("… behind a status of \"ok\"", PLAIN, |it| {
            info_span!("a", otel.status_code = "ok").in_scope(|| error!(error = %"no stock"));
            it.text()
        }),
        same("… with other fields", PLAIN, |it| {
            info_span!("a").in_scope(|| error!(x = -1, error = %"no stock", y = "text"));
            it.text()
        }),
        differs(
            "… in two events",
            PLAIN,
            |it| {
                info_span!("a").in_scope(|| {
                    error!(error = %"second");
                    error!(error = %"first");
                });
                it.text()
            },
            "The last status counts (specification); the stock SDK compares them as text.",
        ),
        same("The field `error` behind a message is an attribute", PLAIN, |it| {
            info_span!("a").in_scope(|| error!(message = "order", error = %"no stock"));
            it.text()
        }),
        same("The field `error` in front of a message", PLAIN, |it| {
            info_span!("a").in_scope(|| error!(error = %"no stock", message = "order"));
            it.text()
        }),
        same("The field `error` beside a formatted message", PLAIN, |it| {
            info_span!("a").in_scope(|| error!(error = %"no stock", "order"));
            it.text()
        }),
    ]
}

fn options() -> Vec<Case> {
    vec![
        same("`with_error_events_to_status(false)`", NO_STATUS, error_text),
        same("`with_error_events_to_exceptions(false)`", NO_EXCEPTIONS, error_text),
        same("Both", Setup { events_to_status: false, ..NO_EXCEPTIONS }, error_text),
        same("All four options off: the field `error`", NONE, error_text),
        same("All four options off: an event with an error", NONE, event_with_error),
    ]
}
