//! The signal `SIGPROF`: its timer, its handler, and the table to which the handler adds.
//!
//! The handler allocates nothing, takes no lock of ours, and leaves `errno` as it was. The system's unwinder finds
//! the tables of a function by `_dl_find_object` without a lock (glibc 2.35 or later). An older glibc
//! locks for it: there, a thread that was interrupted within a shared library, which may hold that
//! lock, is recorded with one frame only.

use crate::ProfileError;
use crate::mappings::mappings;
use crate::stacks::StackTable;
use crate::unwind::Stack;
use std::io;
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize};
use std::time::{Duration, Instant};

/// Call stacks with the number of their samples.
pub(super) type Table = StackTable<4096, 1>;

/// The table to which the handler adds now.
#[derive(Debug)]
pub(super) struct Installed(());

impl Installed {
    pub(super) fn new(table: Box<Table>) -> Self {
        let own = std::process::id();
        let before = PROCESS.swap(own, Relaxed);
        if before != 0 && before != own {
            // Threads of the parent that were in the handler at the fork.
            HANDLERS.store(0, SeqCst);
        }
        TABLE.store(Box::into_raw(table), SeqCst);
        Self(())
    }

    /// Takes the table away from the handler; `None` if a thread does not leave the handler: one that the system has
    /// suspended, or one of the parent at the fork of this process.
    pub(super) fn remove(self) -> Option<Box<Table>> {
        take()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        drop(take());
    }
}

/// The table, when no handler uses it any more.
fn take() -> Option<Box<Table>> {
    let table = TABLE.swap(null_mut(), SeqCst);
    if table.is_null() {
        return None;
    }
    // A handler ends within microseconds, unless the system suspends its thread or the whole process. In the child of a
    // process that forked within one, the count stays. That table is leaked: the handler may go on with it later.
    let started = Instant::now();
    while HANDLERS.load(SeqCst) != 0 {
        if started.elapsed() > Duration::from_secs(1) {
            return None;
        }
        std::thread::yield_now();
    }
    // ORDER: SeqCst of both: a handler that was not counted at the load above reads the null.
    // SAFETY: `table` came from `Box::into_raw` and nothing else has it: see ORDER.
    Some(unsafe { Box::from_raw(table) })
}

/// `ITIMER_PROF`, running until the drop.
#[derive(Debug)]
pub(super) struct Timer(());

impl Timer {
    pub(super) fn start(period: Duration) -> Result<Self, ProfileError> {
        let mut before = timer(Duration::ZERO);
        // SAFETY: `before` is ours to write.
        unsafe { libc::getitimer(libc::ITIMER_PROF, &mut before) };
        if before.it_value.tv_sec != 0 || before.it_value.tv_usec != 0 {
            return Err(ProfileError::SignalInUse("ITIMER_PROF"));
        }
        // SAFETY: the pointers are a valid timer and null, which is accepted.
        if unsafe { libc::setitimer(libc::ITIMER_PROF, &timer(period), null_mut()) } != 0 {
            return Err(ProfileError::System("setitimer", io::Error::last_os_error()));
        }
        Ok(Self(()))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the pointers are a valid timer and null, which is accepted.
        unsafe { libc::setitimer(libc::ITIMER_PROF, &timer(Duration::ZERO), null_mut()) };
    }
}

fn timer(period: Duration) -> libc::itimerval {
    let time = libc::timeval {
        tv_sec: period.as_secs() as libc::time_t,
        tv_usec: period.subsec_micros() as libc::suseconds_t,
    };
    libc::itimerval { it_interval: time, it_value: time }
}

/// Installs the handler, once: a signal that is pending when a profile ends would end a process without it.
pub(super) fn handle() -> Result<(), ProfileError> {
    let system = |_| ProfileError::System("sigaction", io::Error::last_os_error());
    let handler = on_signal as extern "C" fn(_, _, _) as usize;
    // SAFETY: `sigaction` is plain data, for which all zeros is a value.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `before` is ours to write, and null changes nothing.
    call(unsafe { libc::sigaction(libc::SIGPROF, std::ptr::null(), &mut before) })
        .map_err(system)?;
    if before.sa_sigaction == handler {
        return Ok(());
    }
    if before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN {
        return Err(ProfileError::SignalInUse("SIGPROF"));
    }
    let (start, end) = program();
    PROGRAM_START.store(start, Relaxed);
    PROGRAM_END.store(end, Relaxed);
    // SAFETY: as above.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: the set is ours to write.
    unsafe { libc::sigemptyset(&mut action.sa_mask) };
    // SAFETY: the handler has the signature of `SA_SIGINFO` and calls only functions that a handler may
    // call: see the module.
    call(unsafe { libc::sigaction(libc::SIGPROF, &action, null_mut()) }).map_err(system)
}

fn call(result: libc::c_int) -> Result<(), ()> {
    if result == 0 { Ok(()) } else { Err(()) }
}

extern "C" fn on_signal(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the address of this thread's `errno` is valid as long as the thread.
    let errno = unsafe { *errno() };
    // ORDER: SeqCst: counted before the table is read; pairs with `take`.
    HANDLERS.fetch_add(1, SeqCst);
    let table = TABLE.load(SeqCst);
    if !table.is_null() {
        // SAFETY: `take` frees the table only when no handler is counted that has read it.
        record(unsafe { &*table }, interrupted(context));
    }
    HANDLERS.fetch_sub(1, SeqCst);
    // SAFETY: as above.
    unsafe { *self::errno() = errno };
}

fn record(table: &Table, interrupted: Option<usize>) {
    let mut stack = Stack::new();
    let is_of_the_program = |address: usize| {
        (PROGRAM_START.load(Relaxed)..PROGRAM_END.load(Relaxed)).contains(&address)
    };
    match interrupted {
        Some(address) if is_restricted() && !is_of_the_program(address) => {
            stack.push(address);
            stack.start_at(address);
        }
        Some(address) => {
            stack.capture();
            stack.start_at(address);
        }
        None => stack.capture(),
    }
    let [count] = table.values(table.entry(stack.frames()));
    count.fetch_add(1, Relaxed);
}

/// Whether a stack starts at the interrupted instruction. Otherwise it starts in the handler.
pub(super) const KNOWS_CONTEXT: bool =
    cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")));

/// The instruction that the signal interrupted, on the systems whose context we know.
fn interrupted(context: *mut libc::c_void) -> Option<usize> {
    if context.is_null() {
        return None;
    }
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        // SAFETY: the third argument of a handler with `SA_SIGINFO` is a `ucontext_t`.
        let context = unsafe { &*context.cast::<libc::ucontext_t>() };
        context.uc_mcontext.gregs.get(libc::REG_RIP as usize).map(|address| *address as usize)
    }
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    {
        // SAFETY: the third argument of a handler with `SA_SIGINFO` is a `ucontext_t`.
        let context = unsafe { &*context.cast::<libc::ucontext_t>() };
        Some(context.uc_mcontext.pc as usize)
    }
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    None
}

/// Whether the system's unwinder may lock.
pub(super) fn is_restricted() -> bool {
    cfg!(all(target_os = "linux", target_env = "gnu")) && !HAS_FIND_OBJECT.load(Relaxed)
}

/// The code of the program itself; looks up the function of glibc that does not lock, too.
fn program() -> (usize, usize) {
    // SAFETY: the name is a string that ends in a zero.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) };
    HAS_FIND_OBJECT.store(!found.is_null(), Relaxed);
    let program = mappings().into_iter().next();
    program.map_or((0, 0), |program| (program.start as usize, program.end as usize))
}

/// The address of the calling thread's `errno`.
fn errno() -> *mut libc::c_int {
    // SAFETY: these functions have no precondition.
    unsafe {
        #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "hurd"))]
        return libc::__errno_location();
        #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
        return libc::__errno();
        #[cfg(any(target_os = "solaris", target_os = "illumos"))]
        return libc::___errno();
        #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly"))]
        return libc::__error();
    }
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(null_mut());
/// Threads in the handler.
static HANDLERS: AtomicUsize = AtomicUsize::new(0);
/// The process that took the last profile; 0 before the first.
static PROCESS: AtomicU32 = AtomicU32::new(0);
static HAS_FIND_OBJECT: AtomicBool = AtomicBool::new(false);
static PROGRAM_START: AtomicUsize = AtomicUsize::new(0);
static PROGRAM_END: AtomicUsize = AtomicUsize::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_is_suspended_stays_counted() {
        let table = Installed::new(Table::boxed().unwrap());
        HANDLERS.fetch_add(1, SeqCst);
        assert!(table.remove().is_none());
        // Otherwise the count would be below zero now, and hide the next handler from the thread that frees its table.
        assert_eq!(HANDLERS.fetch_sub(1, SeqCst), 1);
    }
}
