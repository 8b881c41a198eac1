//! Telemetry suppression of the current context, readable until the thread has ended.

use opentelemetry::Context;
use spanwise_worker::catch_panic;
use std::cell::Cell;

/// Whether the current context suppresses the spans of this thread, for example while an exporter sends
/// (specification, *Context*; `Context::enter_telemetry_suppressed_scope`).
#[inline(always)]
pub(crate) fn is_suppressed() -> bool {
    ACCESS.with(|access| match access.get() {
        ContextAccess::Available => Context::is_current_telemetry_suppressed(),
        ContextAccess::Unknown => first_read(access),
        ContextAccess::Destroyed => false,
    })
}

/// Whether this thread has a current context: not once the thread has destroyed it.
#[inline(always)]
pub fn is_context_readable() -> bool {
    match ACCESS.get() {
        ContextAccess::Available => true,
        ContextAccess::Unknown => {
            ACCESS.with(first_read);
            ACCESS.get() as u8 == ContextAccess::Available as u8
        }
        ContextAccess::Destroyed => false,
    }
}

/// The current context; an empty one once the thread has destroyed it.
pub(super) fn current_context() -> Context {
    match ACCESS.get() {
        ContextAccess::Destroyed => Context::new(),
        ContextAccess::Available | ContextAccess::Unknown => {
            catch_panic(Context::current).unwrap_or_default()
        }
    }
}

/// Reading the API's context panics after the thread has destroyed it. A thread runs destructors in the
/// reverse order of their registration: that of [`END`] is registered after the context's, so it runs
/// before it, and ends the reads.
#[cold]
#[inline(never)]
fn first_read(access: &Cell<ContextAccess>) -> bool {
    let Ok(suppressed) = catch_panic(Context::is_current_telemetry_suppressed) else {
        access.set(ContextAccess::Destroyed);
        return false;
    };
    match END.try_with(|_| ()) {
        Ok(()) => access.set(ContextAccess::Available),
        Err(_) => access.set(ContextAccess::Destroyed),
    }
    suppressed
}

#[derive(Clone, Copy)]
enum ContextAccess {
    Unknown,
    Available,
    Destroyed,
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        ACCESS.with(|access| access.set(ContextAccess::Destroyed));
    }
}

thread_local! {
    // The type has no destructor, so it is readable until the thread has ended.
    static ACCESS: Cell<ContextAccess> = const { Cell::new(ContextAccess::Unknown) };
    static END: End = const { End };
}
