//! Forked children: their ids differ, and their spans are counted as lost.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{IdGenerator as _, SpanProcessor as _};
use spanwise_opentelemetry::{DropReason, RandomIdGenerator};
use spanwise_receiver::Receiver;
use spanwise_testkit::in_forked_child;
use std::collections::HashSet;
use support::{processor, span};

fn ids() -> Vec<u8> {
    let generator = RandomIdGenerator::default();
    let one =
        || [&generator.new_trace_id().to_bytes()[..], &generator.new_span_id().to_bytes()].concat();
    (0..100).flat_map(|_| one()).collect()
}

#[test]
fn two_processes_and_all_threads_generate_different_ids() {
    let mut all = vec![ids(), ids()];
    all.push(in_forked_child(|out| out.write_all(&ids()).unwrap()));
    all.push(in_forked_child(|out| out.write_all(&ids()).unwrap()));
    all.push(std::thread::spawn(ids).join().unwrap());
    let bytes = all.concat();
    assert_eq!(bytes.len(), 5 * 100 * 24);
    let traces: HashSet<_> = bytes.chunks(24).map(|one| &one[..16]).collect();
    let spans: HashSet<_> = bytes.chunks(24).map(|one| &one[16..]).collect();
    assert_eq!((traces.len(), spans.len()), (500, 500));
    for bit in 0..192 {
        let ones = bytes.chunks(24).filter(|one| one[bit / 8] >> (bit % 8) & 1 == 1).count();
        assert!((180..=320).contains(&ones), "bit {bit} is set in {ones} of 500");
    }
}

#[test]
fn a_forked_child_counts_its_spans_as_lost_and_waits_for_nothing() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    processor.on_end(span(1));
    processor.force_flush().unwrap();
    let output = in_forked_child(|out| {
        let mut processor = processor.clone();
        processor.set_resource(&opentelemetry_sdk::Resource::builder().build());
        processor.on_end(span(2));
        let flushed = processor.force_flush();
        let ended = matches!(flushed, Err(OTelSdkError::InternalFailure(_)));
        let lost = processor.ledger().dropped(DropReason::WorkerUnavailable);
        write!(out, "{ended} {lost}").unwrap();
        std::mem::forget(processor);
    });
    assert_eq!(String::from_utf8_lossy(&output), "true 1");
    processor.on_end(span(3));
    processor.shutdown().unwrap();
    assert_eq!(collected.spans(), 2);
}
