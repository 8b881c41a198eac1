use std::cell::OnceCell;

use tracing_core::LevelFilter;
use tracing_core::dispatcher::{self, DefaultGuard, Dispatch};

/// Sets a `tracing` subscriber on the calling thread that records nothing, until the thread ends: the
/// thread makes no spans and events of the program's subscriber.
///
/// For threads that export: their libraries use `tracing` themselves, and an export that makes spans
/// causes further exports. Each thread of a [`Worker`](crate::Worker) calls it by itself; another
/// runtime calls it in `on_thread_start` and, because the program may set its subscriber later, in
/// `on_thread_unpark`. Code that sets a subscriber itself, by `with_default`, is traced there.
///
/// Does nothing until the program has a subscriber: the first subscriber of any thread ends
/// `tracing`'s forwarding to the `log` crate, for the whole program.
///
/// # Cost
/// A load and a read of a thread-local variable. While one thread is suppressed, each span and event
/// of the other threads first checks for a subscriber of its own thread, about a nanosecond.
pub fn suppress_tracing() {
    if dispatcher::has_been_set() {
        let _exiting = SUPPRESSED.try_with(|guard| {
            // `none` costs the other threads no more than that. `Dispatch::new` would register
            // one more subscriber, which `tracing` asks about each call site of the program.
            guard.get_or_init(|| dispatcher::set_default(&Dispatch::none()));
        });
    }
}

/// Whether [`suppress_tracing`] has set its subscriber on the calling thread.
pub fn is_tracing_suppressed() -> bool {
    SUPPRESSED.try_with(|guard| guard.get().is_some()).unwrap_or_default()
}

/// The most verbose level that the program's `tracing` subscribers let through, in upper case; `None` while there is no
/// subscriber.
pub fn max_tracing_level() -> Option<&'static str> {
    let level = LevelFilter::current();
    let name = level.into_level().map_or("OFF", |level| level.as_str());
    dispatcher::has_been_set().then_some(name)
}

thread_local! {
    static SUPPRESSED: OnceCell<DefaultGuard> = const { OnceCell::new() };
}
