//! Systems without `fork` and without signals for closed pipes.

/// There is no fork to notice.
pub(crate) fn on_fork_in_child(_handler: extern "C" fn()) -> bool {
    true
}

/// There is no such signal.
pub(crate) fn mask_sigpipe() {}
