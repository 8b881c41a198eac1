//! `#[instrument]`.

use super::Case;
use super::events::without_callsites;
use crate::bench::{FILTERED, PLAIN, Setup};
use crate::{differs, same};
use std::fmt;
use tracing::{info, instrument};

pub fn cases() -> Vec<Case> {
    let mut cases = arguments();
    cases.extend(results());
    cases
}

#[instrument]
fn plain(text: &str, list: &[i32], flag: bool, signed: i64, float: f64) {}

#[instrument]
fn unsigned(count: u64) {}

#[derive(Debug)]
struct Order {
    id: i64,
}

impl Order {
    #[instrument]
    fn pay(&self, amount: i64) {
        info!("paid");
    }

    #[instrument(skip(self), fields(order.id = self.id))]
    fn ship(&self, to: &str) {}
}

#[instrument(skip(secret))]
fn skip(secret: &str, x: i64) {
    let _ = secret;
}

#[instrument(skip_all)]
fn skip_all(secret: &str, x: i64) {
    let _ = (secret, x);
}

#[instrument(skip_all, fields(first = x, text = %x, list = ?[x], later, otel.kind = "client"))]
fn fields(x: i64) {
    tracing::Span::current().record("later", "recorded");
}

#[instrument(name = "renamed", target = "billing", level = "debug")]
fn named() {}

#[instrument(parent = None)]
fn root() {}

#[instrument(level = "trace")]
fn traced() {
    inner();
}

#[instrument(level = "debug")]
fn inner() {}

#[instrument(ret)]
fn returns(x: i64) -> i64 {
    x + 1
}

#[instrument(ret(Display))]
fn returns_display() -> &'static str {
    "text"
}

#[instrument(ret(level = "debug"))]
fn returns_debug() -> &'static str {
    "text"
}

#[derive(Debug)]
struct NoStock;

impl fmt::Display for NoStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no stock")
    }
}

impl std::error::Error for NoStock {}

#[instrument(err)]
fn fails() -> Result<(), NoStock> {
    Err(NoStock)
}

#[instrument(err(Debug))]
fn fails_debug() -> Result<(), NoStock> {
    Err(NoStock)
}

#[instrument(err(level = "warn"))]
fn fails_at_warn() -> Result<(), NoStock> {
    Err(NoStock)
}

#[instrument(err, ret)]
fn succeeds() -> Result<i64, NoStock> {
    Ok(7)
}

#[instrument(err)]
fn outer() -> Result<(), NoStock> {
    fails()
}

#[instrument]
fn generic<T: fmt::Debug + Copy>(value: T) -> T {
    value
}

#[instrument]
fn lifetime<'a>(text: &'a str, mut count: i64, (x, _): (i64, i64)) -> &'a str {
    count += x;
    let _ = count;
    text
}

#[instrument]
fn nested(depth: i64) {
    if depth > 0 {
        nested(depth - 1);
    }
}

fn arguments() -> Vec<Case> {
    vec![
        same("Arguments are fields", PLAIN, |it| {
            plain("text", &[1, 2], true, -7, 0.5);
            it.text()
        }),
        differs(
            "Unsigned arguments",
            PLAIN,
            |it| {
                unsigned(7);
                it.text()
            },
            "A number that fits into OTLP's integer is one.",
        ),
        same("Methods, with `self`", PLAIN, |it| {
            Order { id: 7 }.pay(3);
            it.text()
        }),
        same("`skip` and `fields` of `self`", PLAIN, |it| {
            Order { id: 7 }.ship("Ann");
            it.text()
        }),
        same("`skip`", PLAIN, |it| {
            skip("secret", -1);
            it.text()
        }),
        same("`skip_all`", PLAIN, |it| {
            skip_all("secret", -1);
            it.text()
        }),
        same("`fields`: expressions, `%`, `?`, later, special", PLAIN, |it| {
            fields(-1);
            it.text()
        }),
        same("`name`, `target`, `level`", Setup { level: true, target: true, ..PLAIN }, |it| {
            named();
            it.text()
        }),
        same("`parent`", PLAIN, |it| {
            tracing::info_span!("a").in_scope(root);
            it.text()
        }),
        same("A level that the filter of the layer removes", FILTERED, |it| {
            traced();
            it.text()
        }),
        same("Generics", PLAIN, |it| {
            generic(7);
            generic("text");
            generic([1.5]);
            it.text()
        }),
        same("Lifetimes, patterns and `mut`", PLAIN, |it| {
            lifetime("text", -1, (2, 3));
            it.text()
        }),
        same("Recursion", PLAIN, |it| {
            nested(2);
            it.spans()
                .iter()
                .map(|span| if span.parent_span_id.is_empty() { "root" } else { "child" })
                .collect::<Vec<_>>()
                .join(", ")
        }),
    ]
}

fn results() -> Vec<Case> {
    vec![
        same("`ret`", PLAIN, |it| {
            returns(6);
            without_callsites(it.text())
        }),
        same("`ret(Display)`, `ret(level = …)`", PLAIN, |it| {
            returns_display();
            returns_debug();
            without_callsites(it.text())
        }),
        same("`err`", PLAIN, |it| {
            let _ = fails();
            it.text()
        }),
        same("`err(Debug)`", PLAIN, |it| {
            let _ = fails_debug();
            it.text()
        }),
        same("`err(level = \"warn\")`", PLAIN, |it| {
            let _ = fails_at_warn();
            it.text()
        }),
        same("`err` in two functions, one in the other", PLAIN, |it| {
            let _ = outer();
            it.text()
        }),
        same("`err, ret` of a function that succeeds", PLAIN, |it| {
            let _ = succeeds();
            without_callsites(it.text())
        }),
        same(
            "`err` with `with_error_events_to_status(false)`",
            Setup { events_to_status: false, ..PLAIN },
            |it| {
                let _ = fails();
                it.text()
            },
        ),
        same(
            "`err` with `with_error_events_to_exceptions(false)`",
            Setup { events_to_exceptions: false, ..PLAIN },
            |it| {
                let _ = fails();
                without_callsites(it.text())
            },
        ),
    ]
}
