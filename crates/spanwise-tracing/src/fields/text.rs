//! Text of a field's `Debug`, formatted into memory of the thread.

use spanwise_worker::catch_panic;
use std::cell::Cell;
use std::fmt::{self, Write};

/// Formats `value` and passes the text to `then`. A panic of the value's `Debug` is caught.
///
/// The memory is taken from the thread while the value formats itself: the value may start spans and log, which then
/// use memory of their own.
pub(crate) fn with_text<T>(
    max_bytes: usize,
    value: &dyn fmt::Debug,
    then: impl FnOnce(&str) -> T,
) -> T {
    let mut text = TEXT.try_with(Cell::take).unwrap_or_default();
    text.clear();
    append(&mut text, max_bytes, format_args!("{value:?}"));
    let result = then(&text);
    if text.capacity() <= RETAINED_BYTES {
        let _ = TEXT.try_with(|cached| cached.set(text));
    }
    result
}

/// Appends the text of `arguments` to `text`, at most `max_bytes`.
pub(crate) fn append(text: &mut String, max_bytes: usize, arguments: fmt::Arguments<'_>) {
    if let Some(literal) = arguments.as_str() {
        return text.push_str(cut(literal, max_bytes));
    }
    let mut bounded = Bounded { left: max_bytes, text };
    match catch_panic(|| bounded.write_fmt(arguments)) {
        // An error is the bound, or the value's own; the text in front of it stays.
        Ok(Ok(()) | Err(fmt::Error)) => {}
        Err(_panic) => text.push_str(PANICKED),
    }
}

/// A text that refuses bytes beyond a bound.
struct Bounded<'a> {
    text: &'a mut String,
    left: usize,
}

impl Write for Bounded<'_> {
    #[inline]
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let fitting = cut(part, self.left);
        self.text.push_str(fitting);
        self.left -= fitting.len();
        if fitting.len() == part.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// The characters of `text` that fit into `max_bytes`.
#[inline]
pub(super) fn cut(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

/// Stands where the value's `Debug` or `Display` panicked.
pub(crate) const PANICKED: &str = "<panicked>";

/// Memory that a thread retains for the next field.
const RETAINED_BYTES: usize = 16 * 1024;

thread_local! {
    static TEXT: Cell<String> = const { Cell::new(String::new()) };
}
