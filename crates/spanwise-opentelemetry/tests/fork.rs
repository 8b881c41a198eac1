//! Forked children draw random numbers of their own.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample};
use spanwise_opentelemetry::OtelSampler;
use spanwise_sampling::{
    ComposableSampler, Sampler, SamplingIntent, SamplingParameters, Threshold,
};

/// Samples half of the spans by a random number for each, not by their trace.
#[derive(Debug)]
struct Coin;

impl ComposableSampler for Coin {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        let half = Threshold::new(1 << 55);
        SamplingIntent { threshold: half, adjusted_count_reliable: false, ..SamplingIntent::DROP }
    }

    fn description(&self) -> String {
        "Coin".to_owned()
    }
}

/// 64 throws.
fn throws(sampler: &OtelSampler) -> u64 {
    (0..64).fold(0, |throws, _| {
        let id = TraceId::from(1);
        let result = sampler.should_sample(None, id, "x", &SpanKind::Internal, &[], &[]);
        throws << 1 | u64::from(result.decision == SamplingDecision::RecordAndSample)
    })
}

fn throws_of_a_child(sampler: &OtelSampler) -> u64 {
    let mut ends = [0; 2];
    // SAFETY: `pipe` fills two descriptors, which are ours. The child takes no lock that another
    // thread could hold, writes and leaves without running any destructor.
    let (pid, mut reader) = unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let pid = libc::fork();
        assert!(pid >= 0);
        if pid == 0 {
            let throws = throws(sampler).to_ne_bytes();
            libc::_exit(i32::from(libc::write(ends[1], throws.as_ptr().cast(), 8) != 8));
        }
        libc::close(ends[1]);
        (pid, File::from_raw_fd(ends[0]))
    };
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes).unwrap();
    // SAFETY: waits for a child of ours.
    assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
    u64::from_ne_bytes(bytes)
}

#[test]
fn two_processes_draw_different_numbers() {
    let sampler = OtelSampler::from(Sampler::from(Coin));
    let before = throws(&sampler);
    let children = [throws_of_a_child(&sampler), throws_of_a_child(&sampler)];
    let mut all = vec![before, throws(&sampler)];
    all.extend(children);
    for throws in &all {
        assert!((8..=56).contains(&throws.count_ones()), "{throws:064b}");
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4);
}
