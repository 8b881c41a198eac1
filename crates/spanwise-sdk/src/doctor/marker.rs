//! Finds the provider behind a foreign handle, such as the API's global provider: a tracer with a name of its own is asked
//! for, and the provider that makes it answers.

use crate::lifecycle::Handle;
use std::cell::RefCell;
use std::sync::Arc;

/// The provider that makes a tracer named [`MARKER`] during `ask`, on this thread.
pub(super) fn reached_by(ask: impl FnOnce()) -> Option<Arc<Handle>> {
    REACHED.with_borrow_mut(|reached| *reached = Some(None));
    ask();
    REACHED.take().flatten()
}

/// A provider makes a tracer named [`MARKER`]. Returns whether this thread searches for it.
#[cold]
pub(crate) fn reached(provider: &Arc<Handle>) -> bool {
    let searched = REACHED.try_with(|reached| {
        let Ok(mut reached) = reached.try_borrow_mut() else { return false };
        let Some(found) = &mut *reached else { return false };
        *found = Some(provider.clone());
        true
    });
    searched.unwrap_or_default()
}

thread_local! {
    /// `None` while no search is made.
    static REACHED: RefCell<Option<Option<Arc<Handle>>>> = const { RefCell::new(None) };
}

/// The name of the tracer that is asked for. No span of it is made.
pub(crate) const MARKER: &str = "spanwise.doctor.marker";
