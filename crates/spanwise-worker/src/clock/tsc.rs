//! The time stamp counter of x86-64.
#![allow(unsafe_code)]

/// Reads the time stamp counter; 0 where the processor has none.
///
/// # Cost
/// One instruction, not serializing.
#[inline]
pub(super) fn ticks() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        // SAFETY: every x86-64 processor has RDTSC; it touches no memory.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    0
}

/// Whether the counter is invariant: it runs at one rate on all cores and in all power states.
///
/// CPUID has to report it as invariant and Linux, where the clock source is readable, has to use it as
/// its clock (Linux does not if the counters of the cores differ or one is unstable). Reads a file:
/// not for application threads.
pub(super) fn is_steady() -> bool {
    is_invariant() && clocksource().is_none_or(|source| source.trim() == "tsc")
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
// The intrinsic became safe in a later release than our oldest supported compiler.
#[allow(unused_unsafe)]
fn is_invariant() -> bool {
    const HIGHEST: u32 = 0x8000_0000;
    const POWER: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;
    // SAFETY: every x86-64 processor has CPUID.
    let cpuid = |leaf| unsafe { core::arch::x86_64::__cpuid(leaf) };
    cpuid(HIGHEST).eax >= POWER && cpuid(POWER).edx & INVARIANT_TSC != 0
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn is_invariant() -> bool {
    false
}

fn clocksource() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource").ok()
}
