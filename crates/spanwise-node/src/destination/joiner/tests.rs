//! The memory of joined requests.

use super::*;
use crate::destination::fakes::{Queued, memory, message};
use crate::settings::{DestinationSettings, Target};
use spanwise_transport::{Compression, Transport};

fn limits(max_bytes: usize) -> JoinerLimits {
    JoinerLimits {
        max_spans: u64::MAX,
        max_bytes,
        max_request_bytes: max_bytes,
        max_whole_bytes: usize::MAX,
        timeout: Duration::ZERO,
    }
}

fn queues(memory: &Memory, compressions: &[Compression]) -> Arc<[Arc<Queue>]> {
    let queue = |compression: &Compression| {
        let transport = Transport::builder().with_compression(*compression).build().unwrap();
        let settings = DestinationSettings::new("one", Target::Debug);
        Arc::new(Queue::new(&settings, transport, memory))
    };
    compressions.iter().map(queue).collect()
}

fn request(memory: &Memory, message: Vec<u8>, spans: u64) -> OwnedRequest {
    let charge = Arc::new(memory.requests.try_charge(message.len()).unwrap());
    OwnedRequest { bytes: message.into(), spans, charge }
}

/// Bytes that are charged for a request that waits, beyond its own.
fn charged_for_bodies(compressions: &[Compression]) -> usize {
    let memory = memory();
    let queues = queues(&memory, compressions);
    let joiner = Joiner::new(limits(1 << 20), Arc::clone(&queues), &memory);
    let before = memory.requests.charged();
    let message = message(1, 100_000);
    let len = message.len();
    joiner.accept(request(&memory, message, 1));
    let charged = memory.requests.charged() - before - len;
    queues.iter().for_each(|queue| queue.drop_rest());
    assert_eq!(memory.requests.charged(), before);
    charged
}

/// They wait with the request for the slowest destination.
#[test]
fn the_bodies_that_destinations_share_are_charged() {
    use Compression::{Gzip, None, Zstd};
    let bound = |compression| {
        let transport = Transport::builder().with_compression(compression).build().unwrap();
        transport.compressed_bound(spanwise_transport::PREFIX + message(1, 100_000).len())
    };
    assert!(bound(Gzip) > 50_000);
    assert_eq!(charged_for_bodies(&[Gzip]), 0);
    assert_eq!(charged_for_bodies(&[Gzip, Gzip]), bound(Gzip));
    assert_eq!(charged_for_bodies(&[Gzip, Zstd, Gzip]), bound(Gzip) + bound(Zstd));
    // Each makes its own, which its attempts are charged for.
    assert_eq!(charged_for_bodies(&[Gzip, Zstd]), 0);
    assert_eq!(charged_for_bodies(&[None, None]), 0);
}

#[test]
fn without_space_for_the_bodies_each_destination_makes_its_own() {
    let memory = memory();
    let queues = queues(&memory, &[Compression::Gzip, Compression::Gzip]);
    let joiner = Joiner::new(limits(1 << 20), Arc::clone(&queues), &memory);
    let is_shared = || {
        let batch = queues[0].take().unwrap();
        let is_shared = format!("{:?}", batch.request).contains("has_shared_bodies: true");
        batch.dropped(DropReason::Leaked);
        is_shared
    };
    joiner.accept(request(&memory, message(1, 100_000), 1));
    assert!(is_shared());
    let next = request(&memory, message(1, 100_000), 1);
    let free = memory.requests.limit() - memory.requests.charged();
    let _all = memory.requests.try_charge(free).unwrap();
    joiner.accept(next);
    assert!(!is_shared());
    queues.iter().for_each(|queue| queue.drop_rest());
}

/// A client chooses the resource, which each part repeats.
#[test]
fn a_request_whose_parts_would_be_far_larger_leaves_whole() {
    let message = message(5_000, 19_000);
    let len = message.len();
    for (max_whole_bytes, dropped) in [(usize::MAX, 0), (len, 0), (len - 1, 5_000)] {
        let Queued { queue, memory } = Queued::new(Transport::builder().build().unwrap());
        let limits = JoinerLimits { max_whole_bytes, ..limits(20_000) };
        let joiner = Joiner::new(limits, [Arc::clone(&queue)].into(), &memory);
        joiner.accept(request(&memory, message.clone(), 5_000));
        let (mut bytes, mut spans) = (Vec::new(), 0);
        while let Some(batch) = queue.take() {
            bytes.push(batch.len());
            spans += batch.spans;
            batch.dropped(DropReason::Shed);
        }
        let ledger = queue.ledger().snapshot();
        assert_eq!((spans, ledger.dropped(DropReason::TooLarge)), (5_000 - dropped, dropped));
        assert!(bytes.iter().all(|bytes| *bytes == len), "{bytes:?}");
        assert_eq!(ledger.in_flight, 0);
    }
}

#[test]
fn the_parts_of_a_request_are_charged_or_it_leaves_whole() {
    for has_memory in [true, false] {
        let Queued { queue, memory } = Queued::new(Transport::builder().build().unwrap());
        let joiner = Joiner::new(limits(200_000), [Arc::clone(&queue)].into(), &memory);
        let before = memory.requests.charged();
        let request = request(&memory, message(5_000, 19_000), 5_000);
        let all = (!has_memory).then(|| {
            let free = memory.requests.limit() - memory.requests.charged();
            memory.requests.try_charge_reserved(free).unwrap()
        });
        joiner.accept(request);
        drop(all);
        let mut batches = Vec::new();
        while let Some(batch) = queue.take() {
            batches.push(batch);
        }
        assert_eq!(batches.len() > 1, has_memory);
        assert_eq!(batches.iter().map(|batch| batch.spans).sum::<u64>(), 5_000);
        let bytes: usize = batches.iter().map(Batch::len).sum();
        assert!(memory.requests.charged() - before >= bytes, "{bytes}");
        batches.into_iter().for_each(|batch| batch.dropped(DropReason::Shed));
        assert_eq!(memory.requests.charged(), before);
    }
}
