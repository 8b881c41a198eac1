//! The state of a thread that makes spans.

use crate::buffer::Buffer;
use crate::clock::Clock;
use crate::exchange::{Chunk, Exchange};
use crate::ids::Ids;
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::{Arc, OnceLock};

/// Ids, clock, pooled buffers and the open chunk of a thread.
pub struct Local {
    pub ids: Ids,
    pub clock: Clock,
    /// The start and the end of each idle buffer.
    pool: Vec<[*mut u8; 2]>,
    chunk: Buffer,
    spans: u64,
    exchange: Arc<Exchange>,
}

/// Sets the clock and the exchange of every thread, once in a process.
pub fn install(clock: Clock, exchange: Arc<Exchange>) {
    let _the_first_one_stays = SHARED.set((clock, exchange));
}

/// The state of the calling thread.
///
/// # Safety
/// The reference does not outlive the function that asked for it, and that function does not call
/// another one that asks.
#[inline(always)]
pub unsafe fn local<'a>() -> &'a mut Local {
    let at = LOCAL.get();
    let at = if at.is_null() { start() } else { at };
    // SAFETY: `start` leaked the state to this thread, and the caller is its only user now.
    unsafe { &mut *at }
}

impl Local {
    /// A cleared buffer.
    #[inline(always)]
    pub fn take(&mut self) -> Buffer {
        let Some(last) = self.pool.len().checked_sub(1) else {
            return Buffer::with_capacity(RECORD_BYTES);
        };
        // SAFETY: `put` pushed the parts of a buffer, and nothing uses them after the truncation.
        unsafe {
            let [start, end] = [0, 1].map(|part| {
                // Two loads: a single wide one would wait until both stores of `put` have retired.
                self.pool.as_ptr().add(last).cast::<*mut u8>().add(part).read_volatile()
            });
            self.pool.truncate(last);
            Buffer::from_parts(start, end)
        }
    }

    /// Puts a buffer back.
    #[inline(always)]
    pub fn put(&mut self, buffer: Buffer) {
        self.pool.push(buffer.into_parts());
    }

    /// The place in the chunk of a span of at most `len` bytes.
    #[inline(always)]
    pub fn reserve(&mut self, len: usize) -> *mut u8 {
        if self.chunk.spare() < len {
            self.ship();
        }
        self.chunk.reserve(len)
    }

    /// Ends the span that was written up to `next`.
    ///
    /// # Safety
    /// `next` is inside of the reserved space, and the bytes before it are initialized.
    #[inline(always)]
    pub unsafe fn written(&mut self, next: *mut u8) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.chunk.advance_to(next) };
        self.spans += 1;
    }

    /// Passes the chunk on, if it has spans.
    #[cold]
    #[inline(never)]
    pub fn ship(&mut self) {
        if self.spans > 0 {
            let next = self.exchange.buffer();
            let bytes = std::mem::replace(&mut self.chunk, next);
            self.exchange.ship(Chunk { bytes, spans: std::mem::take(&mut self.spans) });
        }
    }
}

#[cold]
#[inline(never)]
fn start() -> *mut Local {
    let Some((clock, exchange)) = SHARED.get() else {
        panic!("spans before `install`");
    };
    let local = Box::leak(Box::new(Local {
        ids: Ids::new(),
        clock: *clock,
        pool: Vec::with_capacity(16),
        chunk: exchange.buffer(),
        spans: 0,
        exchange: exchange.clone(),
    }));
    LOCAL.set(local);
    local
}

/// The first bytes of a pooled buffer.
const RECORD_BYTES: usize = 1024;

static SHARED: OnceLock<(Clock, Arc<Exchange>)> = OnceLock::new();

thread_local! {
    // A pointer without a destructor: no state to check on each access. The benches' threads live as
    // long as the process.
    static LOCAL: Cell<*mut Local> = const { Cell::new(null_mut()) };
}
