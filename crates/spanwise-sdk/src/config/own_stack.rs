//! [`on_own_stack`]: settings are resolved on a stack of a known size.

use opentelemetry::Context;
use std::panic::resume_unwind;
use std::thread::{Builder, scope};

/// Runs `resolve` on a thread that ends with it, in the caller's [`Context`], and waits for it.
///
/// A file may nest deeply, and a program may call from a thread with a small stack, whose overflow would abort it. A panic
/// of `resolve` goes on in the caller. Without a further thread `resolve` runs on this one.
///
/// # Cost
/// The start of a thread. The stack is memory that the system maps as far as it is used.
pub(super) fn on_own_stack<T: Send>(resolve: impl FnOnce() -> T + Send) -> T {
    let (mut resolve, context) = (Some(resolve), Context::current());
    #[cfg(feature = "tracing")]
    let is_suppressed = spanwise_worker::__private::is_tracing_suppressed();
    let ran = scope(|scope| {
        let run = || {
            #[cfg(feature = "tracing")]
            if is_suppressed {
                spanwise_worker::suppress_tracing();
            }
            let _context = context.attach();
            resolve.take().map(|resolve| resolve())
        };
        let thread = Builder::new().name("spanwise-config".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, run).ok()?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    match (ran, resolve) {
        (Some(value), _) => value,
        (None, Some(resolve)) => resolve(),
        // The closure is taken by a call that returns a value or panics.
        (None, None) => unreachable!("the thread ran and returned nothing"),
    }
}

/// The deepest file needs a sixth of it without optimizations.
const STACK_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise_worker::catch_panic;

    #[test]
    fn the_value_and_the_panic_are_those_of_the_closure_in_the_context_of_the_caller() {
        let here = std::thread::current().id();
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let (thread, suppressed) = on_own_stack(|| {
            (std::thread::current().id(), Context::is_current_telemetry_suppressed())
        });
        assert!(thread != here && suppressed);
        let panic = catch_panic(|| on_own_stack(|| panic!("no luck")));
        assert!(panic.is_err_and(|panic| panic.to_string().contains("no luck")));
    }
}
