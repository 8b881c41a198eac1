//! Fields of spans, of every type.

use super::Case;
use crate::bench::PLAIN;
use crate::{differs, same};
use std::fmt;
use std::num::{NonZeroI32, NonZeroU64, Wrapping};
use tracing::field::{self, Empty};
use tracing::info_span;

const INTEGERS: &str =
    "A number that fits into OTLP's integer is one, so that a backend can add and compare it.";
const LATER_WINS: &str =
    "The specification requires unique keys, and that the last value of a key wins.";

pub fn cases() -> Vec<Case> {
    let mut cases = types();
    cases.extend(later());
    cases
}

fn types() -> Vec<Case> {
    vec![
        same("Signed integers: `i8` to `i64`, `isize`", PLAIN, |it| {
            drop(info_span!("a", a = -1i8, b = -2i16, c = -3i32, d = i64::MIN, e = -5isize));
            it.text()
        }),
        differs(
            "Unsigned integers: `u8` to `u64`, `usize`",
            PLAIN,
            |it| {
                drop(info_span!("a", a = 1u8, b = 2u16, c = 3u32, d = 4u64, e = 5usize));
                it.text()
            },
            INTEGERS,
        ),
        same("An unsigned integer above `i64::MAX` is text", PLAIN, |it| {
            drop(info_span!("a", x = u64::MAX));
            it.text()
        }),
        same("`i128` and `u128` are text", PLAIN, |it| {
            drop(info_span!("a", x = i128::MIN, y = u128::MAX, z = 1i128));
            it.text()
        }),
        same("`f64` and `f32`", PLAIN, |it| {
            drop(info_span!("a", x = 0.25f64, y = 0.5f32, z = f64::INFINITY, nan = f64::NAN));
            it.text()
        }),
        same("`bool`", PLAIN, |it| {
            drop(info_span!("a", x = true, y = false));
            it.text()
        }),
        same("`&str`, `String`, `Box<str>`", PLAIN, |it| {
            let owned = String::from("owned");
            drop(info_span!(
                "a",
                x = "text",
                y = owned,
                z = Box::<str>::from("a \"quote\""),
                empty = ""
            ));
            it.text()
        }),
        differs(
            "`NonZero` and `Wrapping` numbers",
            PLAIN,
            |it| {
                let (x, y) = (NonZeroI32::new(-7).unwrap(), NonZeroU64::new(7).unwrap());
                drop(info_span!("a", x, y, z = Wrapping(1i64)));
                it.text()
            },
            INTEGERS,
        ),
        same("`?` and `%` are text", PLAIN, |it| {
            drop(info_span!("a", list = ?[1, 2], text = ?"quoted", number = %7, x = ?Some("x")));
            it.text()
        }),
        same("`field::debug`, `field::display`, `format_args!`", PLAIN, |it| {
            drop(info_span!(
                "a",
                x = field::debug([1]),
                y = field::display("y"),
                z = format_args!("{}-{}", 1, 2)
            ));
            it.text()
        }),
        same("`Some` and `None`", PLAIN, |it| {
            drop(info_span!("a", x = Some(-1), y = None::<i64>, z = Some("text")));
            it.text()
        }),
        same("References and boxes", PLAIN, |it| {
            drop(info_span!("a", x = &-1, y = Box::new("text"), z = &&true));
            it.text()
        }),
        same("`Empty` fields that are never recorded", PLAIN, |it| {
            drop(info_span!("a", x = Empty, y = -1));
            it.text()
        }),
        same("Bytes (`&[u8]`)", PLAIN, |it| {
            drop(info_span!("a", x = &[1u8, 255][..]));
            it.text()
        }),
        same("Names with dots, and quoted names", PLAIN, |it| {
            drop(info_span!("a", http.request.method = "GET", "url.full" = "/", "a b" = -1));
            it.text()
        }),
        same("A local variable as a field, with and without `?` and `%`", PLAIN, |it| {
            let (user, list, id) = ("Ann", [1], 7);
            drop(info_span!("a", user, ?list, %id));
            it.text()
        }),
        same("A message of a span is the attribute `message`", PLAIN, |it| {
            drop(info_span!("a", message = "text"));
            drop(info_span!("b", "formatted {}", 7));
            it.text()
        }),
        same("A `Debug` of several lines", PLAIN, |it| {
            drop(info_span!("a", x = %"one\ntwo"));
            it.text().replace('\n', "\\n")
        }),
        same("The longest span: 32 fields", PLAIN, |it| {
            drop(info_span!(
                "a",
                a = -1,
                b = -1,
                c = -1,
                d = -1,
                e = -1,
                f = -1,
                g = -1,
                h = -1,
                i = -1,
                j = -1,
                k = -1,
                l = -1,
                m = -1,
                n = -1,
                o = -1,
                p = -1,
                q = -1,
                r = -1,
                s = -1,
                t = -1,
                u = -1,
                v = -1,
                w = -1,
                x = -1,
                y = -1,
                z = -1,
                a2 = -1,
                b2 = -1,
                c2 = -1,
                d2 = -1,
                e2 = -1,
                f2 = -1
            ));
            format!("{} attributes", it.span("a").attributes.len())
        }),
        same("A field whose `Debug` fails", PLAIN, |it| {
            drop(info_span!("a", x = ?Nothing));
            it.text()
        }),
    ]
}

/// Writes nothing.
struct Nothing;

impl fmt::Debug for Nothing {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

fn later() -> Vec<Case> {
    vec![
        same("`record` before the span is entered", PLAIN, |it| {
            let span = info_span!("a", x = Empty, y = Empty);
            span.record("x", -1).record("y", "text");
            drop(span);
            it.text()
        }),
        same("`record` inside of the span", PLAIN, |it| {
            let span = info_span!("a", x = Empty, y = Empty, z = Empty).entered();
            span.record("x", 0.5).record("y", field::debug([1])).record("z", true);
            drop(span);
            it.text()
        }),
        same("`record` after the span was exited", PLAIN, |it| {
            let span = info_span!("a", x = Empty);
            span.in_scope(|| ());
            span.record("x", "late");
            drop(span);
            it.text()
        }),
        same("`record` of a name that is no field of the span", PLAIN, |it| {
            let span = info_span!("a", x = -1);
            span.record("other", "text");
            drop(span);
            it.text()
        }),
        differs(
            "A field that is recorded twice",
            PLAIN,
            |it| {
                let span = info_span!("a", x = "first", y = -1).entered();
                span.record("x", "second");
                drop(span);
                it.text()
            },
            LATER_WINS,
        ),
        differs(
            "A field whose name occurs twice",
            PLAIN,
            |it| {
                drop(info_span!("a", x = "first", y = -1, x = "second"));
                it.text()
            },
            LATER_WINS,
        ),
        same("Fields that are recorded on a child do not change the parent", PLAIN, |it| {
            let parent = info_span!("a", x = Empty).entered();
            let child = info_span!("b", x = Empty).entered();
            child.record("x", "child");
            drop(child);
            drop(parent);
            it.text()
        }),
    ]
}
