//! Events.

use super::Case;
use crate::bench::{FILTERED, PLAIN, Setup};
use crate::{differs, same};
use tracing::{Level, debug, debug_span, error, event, info, info_span, trace, trace_span, warn};
use tracing_log::log;

const LOCATED: Setup = Setup { location: true, ..PLAIN };

pub fn cases() -> Vec<Case> {
    let mut cases = places();
    cases.extend(messages());
    cases.extend(of_log());
    cases
}

fn places() -> Vec<Case> {
    vec![
        same("Events of every level", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                trace!("one");
                debug!("two");
                info!("three");
                warn!("four");
            });
            it.text()
        }),
        same("An event of level error sets the status", PLAIN, |it| {
            info_span!("a").in_scope(|| error!("bad"));
            it.text()
        }),
        same("… but no status that is \"ok\"", PLAIN, |it| {
            info_span!("a", otel.status_code = "ok").in_scope(|| error!("bad"));
            it.text()
        }),
        same("… and retains the description of a status", PLAIN, |it| {
            info_span!("a", otel.status_description = "no stock").in_scope(|| error!("bad"));
            it.text()
        }),
        same("… and not that of the parent", PLAIN, |it| {
            info_span!("a").in_scope(|| info_span!("b").in_scope(|| error!("bad")));
            it.text()
        }),
        same("An event outside of spans", PLAIN, |it| {
            info!("alone");
            it.text()
        }),
        same("An explicit parent, entered or not", PLAIN, |it| {
            let (a, b) = (info_span!("a"), info_span!("b"));
            a.in_scope(|| info!(parent: &b, "one"));
            info!(parent: &b, "two");
            info!(parent: a.id(), "three");
            drop((a, b));
            it.text()
        }),
        same("An event with `parent: None` inside of a span", PLAIN, |it| {
            info_span!("a").in_scope(|| info!(parent: None, "alone"));
            it.text()
        }),
        same("Inside of a span that the filter removes", FILTERED, |it| {
            debug_span!("a").in_scope(|| trace_span!("removed").in_scope(|| debug!("event")));
            it.text()
        }),
        same("An event that the filter removes", FILTERED, |it| {
            debug_span!("a").in_scope(|| trace!("event"));
            it.text()
        }),
        same("The target", PLAIN, |it| {
            info_span!("a").in_scope(|| info!(target: "billing", "paid"));
            it.text()
        }),
        same("The location", LOCATED, |it| {
            info_span!("a").in_scope(|| info!("paid"));
            it.text()
        }),
        same("An event behind the last exit of the span", PLAIN, |it| {
            let a = info_span!("a");
            a.in_scope(|| ());
            info!(parent: &a, "late");
            drop(a);
            it.text()
        }),
    ]
}

fn messages() -> Vec<Case> {
    vec![
        same("The message is the name of the event", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                info!("text");
                info!("formatted {}", 7);
                info!(message = "field");
            });
            it.text()
        }),
        same("A message of every type", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                info!(message = 7);
                info!(message = 7u64);
                info!(message = 0.5);
                info!(message = true);
                info!(message = ?"quoted");
                info!(message = %"shown");
                info!(message = 7i128);
            });
            it.text()
        }),
        same("An empty message", PLAIN, |it| {
            info_span!("a").in_scope(|| info!(message = ""));
            without_callsites(it.text())
        }),
        same("Without a message the name is that of the callsite", PLAIN, |it| {
            info_span!("a").in_scope(|| info!(x = -1));
            without_callsites(it.text())
        }),
        same("A name by `name:`", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                event!(name: "named", Level::INFO, x = -1);
                event!(name: "named", Level::INFO, "message");
            });
            it.text()
        }),
        differs(
            "Fields of every type",
            PLAIN,
            |it| {
                let user = "Ann";
                info_span!("a").in_scope(|| {
                    info!(a = -1, b = 2u64, c = 0.5, d = true, e = 5i128, user, f = ?[1], g = %7, "m");
                });
                it.text()
            },
            "A number that fits into OTLP's integer is one.",
        ),
        same("`Some`, `None` and `Empty` fields", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                info!(x = Some("text"), y = None::<i64>, z = tracing::field::Empty, "m");
            });
            it.text()
        }),
        same("Fields that are special on spans", PLAIN, |it| {
            info_span!("a").in_scope(|| info!(otel.name = "b", otel.kind = "server", "m"));
            it.text()
        }),
        differs(
            "A field with the name `level` or `target`",
            PLAIN,
            |it| {
                info_span!("a").in_scope(|| info!(level = "high", target = "moon", "m"));
                it.text()
            },
            "The specification requires unique keys, and that the last value of a key wins.",
        ),
    ]
}

/// The name of a callsite has a line, which this text leaves out.
pub fn without_callsites(text: String) -> String {
    let mut parts = text.split("\"event crates/");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once('"').unwrap_or_default();
        text.push_str("\"event FILE:LINE\"");
        text.push_str(rest);
    }
    text
}

fn of_log() -> Vec<Case> {
    vec![
        same("Records of the `log` crate, through `tracing-log`", PLAIN, |it| {
            info_span!("a").in_scope(|| log_record("no stock"));
            it.text()
        }),
        same("… with the location", LOCATED, |it| {
            info_span!("a").in_scope(|| log_record("no stock"));
            it.text()
        }),
        same("A record of level error", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                let mut record = log::Record::builder();
                let record = record.level(log::Level::Error).target("shop::cart");
                tracing_log::format_trace(&record.args(format_args!("bad")).build()).unwrap();
            });
            it.text()
        }),
        same("Fields whose names begin with `log.`", PLAIN, |it| {
            info_span!("a").in_scope(|| info!(log.x = -1, log.y = "text", z = -1, "m"));
            it.text()
        }),
    ]
}

fn log_record(message: &str) {
    let mut record = log::Record::builder();
    let record = record.level(log::Level::Warn).target("shop::cart").file(Some("cart.rs"));
    let record = record.module_path(Some("shop::cart")).line(Some(7));
    tracing_log::format_trace(&record.args(format_args!("{message}")).build()).unwrap();
}
