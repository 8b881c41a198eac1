//! The spans that the thread has entered, innermost last.

use opentelemetry::ContextGuard;
use spanwise_sdk::__private::is_context_readable;
use std::cell::RefCell;
use std::mem;

struct Entered {
    /// The layer of the span.
    layer: u64,
    id: u64,
    guard: Option<ContextGuard>,
}

/// Adds a span that the thread enters.
#[inline]
pub(super) fn push(layer: u64, id: u64, guard: Option<ContextGuard>) {
    let entered = Entered { layer, id, guard };
    let _ = STACK.try_with(|stack| {
        if let Ok(mut stack) = stack.0.try_borrow_mut()
            && stack.len() < MAX_DEPTH
        {
            stack.push(entered);
        } else {
            release(entered.guard);
        }
    });
}

/// Removes a span that the thread exits, and restores the context before it.
#[inline]
pub(super) fn pop(layer: u64, id: u64) {
    let guard = STACK.try_with(|stack| {
        let mut stack = stack.0.try_borrow_mut().ok()?;
        if stack.last().is_some_and(|last| last.id == id && last.layer == layer) {
            return stack.pop()?.guard;
        }
        let place = stack.iter().rposition(|entry| entry.id == id && entry.layer == layer)?;
        stack.remove(place).guard
    });
    // Not while the stack is borrowed: the destructors of a context's values may enter spans.
    release(guard.ok().flatten());
}

/// The innermost span of the layer that the thread has entered.
#[inline]
pub(super) fn current(layer: u64) -> Option<u64> {
    let current = STACK.try_with(|stack| {
        let stack = stack.0.try_borrow().ok()?;
        stack.iter().rev().find(|entry| entry.layer == layer).map(|entry| entry.id)
    });
    current.ok().flatten()
}

/// Drops a guard, unless the thread has destroyed its contexts, which the drop of a guard would access.
#[inline]
fn release(guard: Option<ContextGuard>) {
    if let Some(guard) = guard {
        match is_context_readable() {
            true => drop(guard),
            false => mem::forget(guard),
        }
    }
}

struct Stack(RefCell<Vec<Entered>>);

impl Drop for Stack {
    fn drop(&mut self) {
        // The contexts of a thread that exits inside of spans are destroyed with it.
        self.0.get_mut().drain(..).for_each(mem::forget);
    }
}

/// The API's stack of contexts has this depth too.
const MAX_DEPTH: usize = u16::MAX as usize;

thread_local! {
    static STACK: Stack = const { Stack(RefCell::new(Vec::new())) };
}
