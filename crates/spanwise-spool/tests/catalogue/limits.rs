//! D11 and D13: evictions by age and size, and large records.

use std::time::Duration;

use spanwise_spool::storage::model::ModelStorage;
use spanwise_spool::{Losses, Spool, SpoolError};

use crate::requests::{Request, number_of, request_of, start};
use crate::{builder, deliver, open, spans, store};

#[test]
fn d11_the_oldest_records_are_evicted_and_counted_in_spans() {
    let storage = ModelStorage::new(0);
    let builder = Spool::builder().with_max_bytes(1 << 20).with_segment_bytes(64 << 10);
    let (mut spool, _) = builder.clone().open_in(storage.clone(), start()).unwrap();
    let requests: Vec<Request> =
        (0..300).map(|number| request_of(number, 1 + number % 7, 9_000)).collect();
    let mut evicted = 0;
    for (index, request) in requests.iter().enumerate() {
        store(&mut spool, std::slice::from_ref(request));
        evicted += spool.take_losses().evicted;
        let live = spool.stats().spans;
        assert_eq!(live + evicted, spans(&requests[..=index]), "after {index}");
        let used: u64 =
            storage.names().iter().map(|name| storage.content(name).unwrap().len() as u64).sum();
        assert!(used <= 1 << 20, "{used} bytes after {index}");
    }
    assert!(evicted > 100, "{evicted}");
    let expected = spans(&requests) - evicted;
    let (delivered, losses) = deliver(&mut spool);
    assert_eq!(losses, Losses::default());
    // The newest ones without a gap.
    let first = *delivered.keys().next().unwrap();
    assert!(delivered.keys().copied().eq(first..300));
    assert_eq!(spans(&requests[first as usize..]), expected);
    drop(spool);
    // A start with a smaller budget evicts at once.
    let (mut spool, recovery) = Spool::builder()
        .with_max_bytes(1 << 20)
        .with_segment_bytes(64 << 10)
        .open_in(storage, start())
        .unwrap();
    assert_eq!(recovery.spans, expected);
    assert_eq!(spool.take_losses(), Losses::default());
}

#[test]
fn d11_a_smaller_budget_evicts_at_the_start() {
    let storage = ModelStorage::new(0);
    let requests: Vec<Request> = (0..300).map(|number| request_of(number, 2, 9_000)).collect();
    let (mut spool, _) = open(&storage);
    for request in requests.chunks(7) {
        store(&mut spool, request);
    }
    assert_eq!(spool.take_losses(), Losses::default());
    drop(spool);
    let (mut spool, recovery) = Spool::builder()
        .with_max_bytes(1 << 20)
        .with_segment_bytes(64 << 10)
        .open_in(storage, start())
        .unwrap();
    let losses = spool.take_losses();
    assert_eq!((recovery.spans, losses.expired, losses.io), (600, 0, 0));
    assert!(losses.evicted > 300, "{losses:?}");
    assert_eq!(2 * deliver(&mut spool).0.len() as u64 + losses.evicted, 600);
}

#[test]
fn d11_old_records_expire_and_are_counted_also_at_the_start() {
    let age = Duration::from_secs(3600);
    for is_restarted in [false, true] {
        let storage = ModelStorage::new(0);
        let aged = || builder().with_max_age(age);
        let (mut spool, _) = aged().open_in(storage.clone(), start()).unwrap();
        store(&mut spool, &(0..50).map(|number| request_of(number, 3, 5_000)).collect::<Vec<_>>());
        let later = start() + age / 2;
        for number in 50..60 {
            spool.append(later, &request_of(number, 2, 5_000).bytes, 2).unwrap();
        }
        spool.sync(later).unwrap();
        let now = start() + age + Duration::from_secs(10);
        if is_restarted {
            drop(spool);
            (spool, _) = aged().open_in(storage.clone(), now).unwrap();
        }
        let mut delivered = Vec::new();
        while let Some(record) = spool.read_next(now).unwrap() {
            delivered.push(number_of(&record.request).unwrap());
        }
        assert_eq!(delivered, (50..60).collect::<Vec<_>>(), "restarted: {is_restarted}");
        assert_eq!(spool.take_losses(), Losses { expired: 150, ..Losses::default() });
    }
}

#[test]
fn d13_a_record_larger_than_a_segment_is_stored_between_its_neighbours() {
    let storage = ModelStorage::new(0);
    let (mut spool, _) = open(&storage);
    let requests = [request_of(0, 1, 100), request_of(1, 5, 300_000), request_of(2, 1, 100)];
    store(&mut spool, &requests);
    drop(spool);
    let (mut spool, recovery) = open(&storage);
    assert_eq!((recovery.spans, deliver(&mut spool).0.len()), (7, 3));
}

#[test]
fn d13_a_request_beyond_the_limit_is_split_by_span_and_a_span_beyond_it_is_refused() {
    const MIB: u64 = 1 << 20;
    let storage = ModelStorage::new(0);
    let builder = Spool::builder().with_max_bytes(1 << 30).with_segment_bytes(MIB);
    let (mut spool, _) = builder.open_in(storage, start()).unwrap();
    store(&mut spool, &[request_of(0, 1, 100)]);
    // One span that no record can have.
    let large = request_of(1, 1, 65 * MIB);
    let refused = spool.append(start(), &large.bytes, 1);
    assert!(matches!(refused, Err(SpoolError::RequestTooLarge { .. })), "{refused:?}");
    // Two requests in one: the second has spans that fit.
    let mut joined = request_of(2, 2, 40 * MIB).bytes;
    joined.extend_from_slice(&request_of(3, 3, 40 * MIB).bytes);
    spool.append(start(), &joined, 5).unwrap();
    store(&mut spool, &[request_of(4, 1, 100)]);
    let (mut records, mut found) = (0, 0);
    while let Some(record) = spool.read_next(start()).unwrap() {
        records += 1;
        found += record.spans;
        assert!(record.request.len() as u64 <= 64 * MIB);
    }
    assert!(records >= 4, "{records}");
    assert_eq!((found, spool.take_losses()), (7, Losses::default()));
}
