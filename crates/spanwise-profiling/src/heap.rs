//! The profiles of the sampling allocator.

use crate::ProfileError;
use crate::allocator::random::OBJECT;
use crate::allocator::sampler::{LOST, Paused, RATE, STACKS, is_installed};
use crate::profile::{Description, Profile};
use crate::symbols::{Line, Symbols};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// The live allocations by call stack: `inuse_space` is the default, with `inuse_objects`,
/// `alloc_space` and `alloc_objects`, as the profile `heap` of Go.
///
/// # Errors
/// [`ProfileError::NoSamplingAllocator`] if the program's global allocator is another one, and
/// [`ProfileError::Unsupported`] where no allocation is sampled.
///
/// # Cost
/// Reads debug information of the program and its libraries, and frees it again: up to some hundred milliseconds and
/// some ten MiB for a large program. The other threads go on.
pub fn heap() -> Result<Profile, ProfileError> {
    profile(&HEAP)
}

/// All allocations since the start by call stack, freed ones too: as [`heap`], with `alloc_space` as the default.
///
/// # Errors
/// Those of [`heap`].
pub fn allocs() -> Result<Profile, ProfileError> {
    profile(&ALLOCS)
}

fn profile(description: &'static Description) -> Result<Profile, ProfileError> {
    if !crate::unwind::SUPPORTED {
        return Err(ProfileError::Unsupported(
            description.name,
            "stacks are captured on Unix only",
        ));
    }
    if !is_installed() {
        return Err(ProfileError::NoSamplingAllocator);
    }
    let _paused = Paused::new();
    let mut samples = Vec::new();
    STACKS.for_each(|frames, [alloc_objects, alloc_bytes, freed_objects, freed_bytes]| {
        // The end of a block is counted after its beginning: read in the other order, the difference is
        // not negative.
        let freed = [freed_objects.load(Acquire), freed_bytes.load(Acquire)];
        let [objects, bytes] = [alloc_objects.load(Relaxed), alloc_bytes.load(Relaxed)];
        let live = [objects.saturating_sub(freed[0]), bytes.saturating_sub(freed[1])];
        if objects > 0 {
            let values = [objects / OBJECT, bytes, live[0] / OBJECT, live[1]];
            samples.push((frames.to_vec(), values.map(|value| value as i64)));
        }
    });
    let mut profile = Profile::new(description, RATE.load(Relaxed) as i64);
    let mut symbols = Symbols::without(is_of_an_allocator);
    for (frames, values) in samples {
        match frames.is_empty() {
            true if values[0] == 0 => {}
            true => profile.push_named(&["[stacks beyond the table]"], &values),
            false => profile.push(&mut symbols, &frames, &values),
        }
    }
    let lost = LOST.load(Relaxed);
    if lost > 0 {
        profile.comment(format!("{lost} samples are missing: the table of live samples was full"));
    }
    Ok(profile)
}

/// Functions between the caller and the recorded stack, and those that allocate for each collection. With
/// line tables as the only debug information, a function has no path: its file decides.
fn is_of_an_allocator(line: &Line) -> bool {
    FUNCTIONS.iter().any(|prefix| line.function.starts_with(prefix))
        || FILES.iter().any(|part| line.file.contains(part))
}

const FUNCTIONS: &[&str] = &[
    "spanwise_profiling::allocator::",
    "<spanwise_profiling::allocator::",
    "spanwise_profiling::unwind::",
    "backtrace::",
    "__rust_alloc",
    "__rust_realloc",
    "__rustc::",
    "alloc::alloc::",
    "<alloc::alloc::",
    "alloc::raw_vec::",
    "<alloc::raw_vec::",
    "core::alloc::",
];

const FILES: &[&str] = &[
    "/spanwise-profiling/src/allocator/",
    "/spanwise-profiling/src/unwind.rs",
    "/backtrace-0.3.",
    "/library/alloc/src/alloc.rs",
    "/library/alloc/src/raw_vec",
    "/library/std/src/alloc.rs",
    "/library/core/src/alloc/",
];

static HEAP: Description = Description {
    name: "heap",
    sample_types: SAMPLE_TYPES,
    default: 3,
    period_type: ("space", "bytes"),
};

static ALLOCS: Description = Description {
    name: "allocs",
    sample_types: SAMPLE_TYPES,
    default: 1,
    period_type: ("space", "bytes"),
};

const SAMPLE_TYPES: &[(&str, &str)] = &[
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];
