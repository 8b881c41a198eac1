//! Attributes of a callsite and of a thread.

use spanwise_sdk::Value;
use std::cell::OnceCell;
use std::thread::{self, Thread};
use tracing_core::Metadata;

/// The location of a callsite (semantic conventions, *Source code*).
pub(crate) fn location<'a>(
    metadata: &'a Metadata<'_>,
) -> impl Iterator<Item = (&'static str, Value<'a>)> + Clone {
    let file = metadata.file().map(|file| ("code.file.path", Value::Str(file)));
    let module = metadata.module_path().map(|module| ("code.module.name", Value::Str(module)));
    let line = metadata.line().map(|line| ("code.line.number", Value::I64(line.into())));
    [file, module, line].into_iter().flatten()
}

/// Passes the location of a callsite: file, module and line.
pub(crate) fn each_location(
    metadata: &Metadata<'_>,
    put: &mut impl FnMut(&'static str, Value<'_>),
) {
    location(metadata).for_each(|(key, value)| put(key, value));
}

/// Passes the number and the name of the current thread.
pub(crate) fn each_thread(put: &mut impl FnMut(&'static str, Value<'_>)) {
    let known = THREAD.try_with(|thread| {
        let (number, thread) = thread.get_or_init(|| {
            let thread = thread::current();
            (number_of(&thread), thread)
        });
        put("thread.id", Value::I64(*number));
        if let Some(name) = thread.name() {
            put("thread.name", Value::Str(name));
        }
    });
    // A thread that exits has no attributes.
    let _ = known;
}

/// The number of a thread, which std shows in `Debug` alone.
fn number_of(thread: &Thread) -> i64 {
    let text = format!("{:?}", thread.id());
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

thread_local! {
    static THREAD: OnceCell<(i64, Thread)> = const { OnceCell::new() };
}
