use std::cell::OnceCell;

use tracing_core::dispatcher::{self, DefaultGuard, Dispatch};

/// Keeps what the calling thread does from becoming spans or events of the program's `tracing`
/// subscriber, for the rest of the thread's life.
///
/// For threads that export: the libraries they use are traced themselves, and an export that makes
/// spans makes exports. Each thread of a [`Worker`](crate::Worker) does it by itself; a runtime of
/// one's own calls it in `on_thread_start` and, because the subscriber may come later, in
/// `on_thread_unpark`. Code that enters a subscriber itself, by `with_default`, is traced there.
///
/// Does nothing as long as the program has no subscriber: the first one that any thread has ends
/// `tracing`'s forwarding to the `log` crate, for the whole program.
///
/// # Cost
/// A load and a look at a thread-local variable. While a thread is suppressed, each span and event
/// of the other threads looks for a subscriber of its thread first, about a nanosecond.
pub fn suppress_tracing() {
    if dispatcher::has_been_set() {
        let _exiting = SUPPRESSED.try_with(|guard| {
            // `none` costs the others no more than that. `Dispatch::new` would make one more
            // subscriber that is asked about each of the program's call sites.
            guard.get_or_init(|| dispatcher::set_default(&Dispatch::none()));
        });
    }
}

thread_local! {
    static SUPPRESSED: OnceCell<DefaultGuard> = const { OnceCell::new() };
}
