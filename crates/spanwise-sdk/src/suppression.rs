//! Whether the current context suppresses telemetry, asked from anywhere in a thread's life.

use opentelemetry::Context;
use spanwise_worker::catch_panic;
use std::cell::Cell;

/// Whether spans that start on this thread now should not be: an exporter, ours or another, is at
/// work (specification, *Context*; `Context::enter_telemetry_suppressed_scope`).
#[inline(always)]
pub(crate) fn is_suppressed() -> bool {
    LOOK.with(|look| match look.get() {
        Look::Alive => Context::is_current_telemetry_suppressed(),
        Look::First => first_look(look),
        Look::Gone => false,
    })
}

/// The API panics when it is asked for the context after the thread has destroyed it. Destructors
/// of a thread run in the reverse order of their registration, so one that is registered after the
/// context's tells when asking must end.
#[cold]
#[inline(never)]
fn first_look(look: &Cell<Look>) -> bool {
    let Ok(suppressed) = catch_panic(Context::is_current_telemetry_suppressed) else {
        look.set(Look::Gone);
        return false;
    };
    match END.try_with(|_| ()) {
        Ok(()) => look.set(Look::Alive),
        Err(_) => look.set(Look::Gone),
    }
    suppressed
}

#[derive(Clone, Copy)]
enum Look {
    First,
    Alive,
    Gone,
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        LOOK.with(|look| look.set(Look::Gone));
    }
}

thread_local! {
    // Without a destructor: it can be read at any time of a thread's life.
    static LOOK: Cell<Look> = const { Cell::new(Look::First) };
    static END: End = const { End };
}
