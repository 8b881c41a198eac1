//! The memory for dividing a request is bounded by its bytes, not by the number of its spans.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise_testkit::{CountingAllocator, allocator};
use spanwise_wire::{RequestLimits, RequestPart};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

/// Of two bytes each.
const SPANS: usize = 256 << 10;

#[test]
fn a_part_of_empty_spans_is_planned_without_a_list_of_them() {
    let spans = message(2, &[]).repeat(SPANS);
    let fields_between = [message(2, &[]), message(9, &[])].concat().repeat(SPANS);
    let small_scopes = message(2, &message(2, &[])).repeat(SPANS);
    for resource in [message(2, &spans), message(2, &fields_between), small_scopes] {
        let request = message(1, &resource);
        let limits = RequestLimits::default().with_max_bytes(usize::MAX);
        let limits = limits.with_max_spans(SPANS / 2);
        let counts = allocator::allocations_on_this_thread(|| {
            let part = RequestPart::plan(&request, SPANS as u64 / 4, limits).unwrap().unwrap();
            assert_eq!(part.spans(), SPANS as u64 / 2);
        });
        assert_eq!(counts.allocations, 0);
        let part = RequestPart::plan(&request, SPANS as u64 / 4, limits).unwrap().unwrap();
        let counts = allocator::allocations_on_this_thread(|| {
            assert_eq!(part.write(Vec::new()).into_bytes().len(), part.encoded_len());
        });
        assert_eq!((counts.allocations, counts.bytes), (1, part.encoded_len() as u64));
    }
}
