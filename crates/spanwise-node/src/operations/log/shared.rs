//! [`Shared`]: the state of all handles and of the thread that writes.

use super::limiter::Limiter;
use super::recent::Recent;
use crate::settings::LogFormat;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) struct Shared {
    is_json: AtomicBool,
    pub(crate) limiter: Mutex<Limiter>,
    /// Lines that found no space, until a line reports them.
    pub(crate) dropped: AtomicU64,
    pub(crate) recent: Mutex<Recent>,
}

impl Shared {
    pub(crate) fn new(format: LogFormat) -> Self {
        Self {
            is_json: AtomicBool::new(format == LogFormat::Json),
            limiter: Mutex::default(),
            dropped: AtomicU64::new(0),
            recent: Mutex::default(),
        }
    }

    pub(crate) fn format(&self) -> LogFormat {
        if self.is_json.load(Relaxed) { LogFormat::Json } else { LogFormat::Text }
    }

    pub(crate) fn set_format(&self, format: LogFormat) {
        self.is_json.store(format == LogFormat::Json, Relaxed);
    }
}

/// A lock whose holders only move values: a panic leaves them whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
