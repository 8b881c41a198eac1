//! The contexts inside this process: each runs a call where a program would make it.

use super::cell::CallContext;
use std::cell::RefCell;
use std::panic;
use std::sync::Once;
use std::thread;
use tokio::runtime::{Builder, Runtime};

/// The call of shutdown.
pub(super) type Call = Box<dyn FnOnce() + Send>;

/// Runs `setup`, which makes spans, and then the call that it returns, both in `context`; `other_place`
/// selects the second place of a context that has two.
///
/// # Errors
/// If the system has no thread left.
pub(super) fn run(
    context: CallContext,
    other_place: bool,
    setup: impl FnOnce() -> Call + Send + 'static,
) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    match context {
        CallContext::BlockOn => {
            let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
            runtime.block_on(async { setup()() });
        }
        CallContext::Task => {
            let task = multi_thread().map_err(failed)?;
            let ended = task.block_on(task.spawn(async { setup()() }));
            ended.map_err(|error| error.to_string())?;
        }
        CallContext::SpawnBlocking => {
            let runtime = multi_thread().map_err(failed)?;
            let ended = runtime.block_on(runtime.spawn_blocking(|| setup()()));
            ended.map_err(|error| error.to_string())?;
        }
        CallContext::RuntimeDropped => {
            let runtime = multi_thread().map_err(failed)?;
            let call = runtime.block_on(runtime.spawn(async { setup() }));
            drop(runtime);
            call.map_err(|error| error.to_string())?();
        }
        CallContext::Panic => {
            run_calls_in_the_hook();
            let thread = thread::Builder::new().spawn(move || in_panic(other_place, setup()));
            // The thread panics on purpose.
            let _panicked = thread.map_err(failed)?.join();
        }
        CallContext::Exit => {
            let at_exit = move || AT_THREAD_EXIT.with_borrow_mut(|slot| slot.0 = Some(setup()));
            let thread = thread::Builder::new().spawn(at_exit).map_err(failed)?;
            thread.join().map_err(|_| "a thread-local destructor panicked")?;
        }
        CallContext::NoRuntime | CallContext::MainEnd => setup()(),
    }
    Ok(())
}

/// One worker: a task that blocks leaves no thread for others.
fn multi_thread() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Panics with `call` in the hook, or in a destructor while the stack unwinds.
#[expect(clippy::panic, reason = "the context of the call")]
fn in_panic(unwinding: bool, call: Call) {
    let mut dropped = CallOnDrop(None);
    match unwinding {
        true => {
            dropped.0 = Some(call);
            IN_HOOK.set(Some(Box::new(|| ())));
        }
        false => IN_HOOK.set(Some(call)),
    }
    panic!("on purpose");
}

/// Installs a panic hook that runs the call of the panicking thread; other threads get the hook before.
fn run_calls_in_the_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match IN_HOOK.take() {
            Some(call) => call(),
            None => before(info),
        }));
    });
}

/// Runs the call when it is dropped.
struct CallOnDrop(Option<Call>);

impl Drop for CallOnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

thread_local! {
    static IN_HOOK: RefCell<Option<Call>> = const { RefCell::new(None) };
    static AT_THREAD_EXIT: RefCell<CallOnDrop> = const { RefCell::new(CallOnDrop(None)) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread::ThreadId;
    use tokio::runtime::Handle;

    /// The calling thread, and whether setup and call were inside a runtime.
    fn observed(context: CallContext, other_place: bool) -> (ThreadId, bool, bool, bool) {
        let (send, receive) = mpsc::channel();
        let is_inside = || Handle::try_current().is_ok();
        run(context, other_place, move || {
            let setup = is_inside();
            Box::new(move || {
                let observed = (thread::current().id(), setup, is_inside(), thread::panicking());
                send.send(observed).unwrap();
            })
        })
        .unwrap();
        receive.try_recv().expect("the call ran")
    }

    #[test]
    fn each_context_is_as_its_name() {
        let here = thread::current().id();
        for (context, is_here, inside) in [
            (CallContext::NoRuntime, true, (false, false)),
            (CallContext::BlockOn, true, (true, true)),
            (CallContext::Task, false, (true, true)),
            (CallContext::SpawnBlocking, false, (true, true)),
            (CallContext::RuntimeDropped, true, (true, false)),
            (CallContext::Panic, false, (false, false)),
        ] {
            for other_place in [false, true] {
                let (thread, setup, call, panicking) = observed(context, other_place);
                assert_eq!((thread == here, (setup, call)), (is_here, inside), "{context:?}");
                assert_eq!(panicking, context == CallContext::Panic);
            }
        }
    }

    #[test]
    fn the_exit_of_a_thread_runs_the_call() {
        let (send, receive) = mpsc::channel();
        let call = move || send.send(()).unwrap();
        run(CallContext::Exit, false, move || Box::new(call)).unwrap();
        receive.try_recv().expect("the call ran");
    }
}
