//! Compacted buffers: almost all of their charge is span bytes.

use crate::support;

use spanwise_batch::{ChargedChunk, PushError};
use support::{ids, push, shards, small, sorted, span};

const SPAN: usize = 200;
const LIMIT: usize = 1 << 20;

/// Pushes until the budget is used up; compacts each full chunk, and drains the open one whenever a
/// push fails, as a worker does that cannot export.
#[test]
fn compacted_buffers_fill_the_budget_with_spans() {
    let shards = shards(small(2, 16 << 10, 128), LIMIT);
    let mut waiting: Vec<ChargedChunk> = Vec::new();
    let mut stored = 0;
    loop {
        match push(&shards, stored, SPAN) {
            Ok(_) => stored += 1,
            Err(PushError::Budget) => {
                let (mut taken, before) = (Vec::new(), shards.budget().charged());
                shards.drain_all(&mut taken);
                for mut buffer in taken {
                    buffer.compact();
                    waiting.push(buffer);
                }
                if shards.budget().charged() == before {
                    break;
                }
            }
            Err(refused) => panic!("{refused:?}"),
        }
        assert!(shards.budget().charged() <= LIMIT);
    }
    assert!(stored as usize * SPAN > LIMIT / 10 * 9, "{stored} spans in {LIMIT} bytes");
    let held: usize = waiting.iter().map(|buffer| buffer.chunk().len()).sum();
    assert_eq!(held as u64, stored);
}

#[test]
fn append_merges_buffers_of_few_spans() {
    let shards = shards(small(2, 16 << 10, 128), LIMIT);
    let mut together: Option<ChargedChunk> = None;
    for id in 0..60 {
        let _ = push(&shards, id, SPAN).unwrap();
        let mut taken = Vec::new();
        shards.drain_all(&mut taken);
        for mut buffer in taken {
            match &mut together {
                Some(together) => together.append(buffer, 16 << 10).unwrap(),
                None => {
                    buffer.compact();
                    together = Some(buffer);
                }
            }
        }
    }
    let mut together = together.unwrap();
    assert_eq!(together.chunk().len(), 60);
    assert!(together.charged() >= together.chunk().capacity_bytes());
    assert!(together.charged() < 60 * (SPAN + 10), "{}", together.charged());
    let wire: Vec<u8> =
        (0..60).flat_map(|id| [vec![0x12, 0xc8, 0x01], span(id, SPAN)].concat()).collect();
    assert_eq!(together.chunk().bytes(), wire);

    // Beyond `max_bytes`, both buffers stay as they are.
    let _ = push(&shards, 99, SPAN).unwrap();
    let mut taken = Vec::new();
    shards.drain_all(&mut taken);
    let other = together.append(taken.remove(0), 60 * SPAN).unwrap_err();
    assert_eq!((other.chunk().len(), together.chunk().len()), (1, 60));

    // Their size prevents reuse, and recycling returns their bytes.
    shards.recycle([together, other]);
    shards.trim(0);
    assert_eq!(shards.budget().charged(), 0);
}

#[test]
fn released_shards_hold_no_memory_and_store_no_span() {
    let shards = shards(small(2, 16 << 10, 128), LIMIT);
    for id in 0..500 {
        let _ = push(&shards, id, SPAN).unwrap();
    }
    shards.close();
    let mut taken = Vec::new();
    assert_eq!(shards.drain_all(&mut taken), 0);
    assert_eq!(sorted(ids(&taken)), (0..500).collect::<Vec<_>>());
    shards.release();
    shards.recycle(taken);
    shards.release();
    assert_eq!(shards.budget().charged(), 0);
    assert_eq!(push(&shards, 1, SPAN), Err(PushError::Closed));
    assert_eq!(push(&shards, 1, 100_000), Err(PushError::Closed));
    let mut none = Vec::new();
    assert_eq!((shards.drain_all(&mut none), none.len()), (0, 0));
}

#[test]
fn a_span_that_needs_the_reserve_never_fits() {
    let shards = shards(small(2, 1 << 10, 16), LIMIT);
    assert!(shards.can_fit(LIMIT / 2));
    shards.budget().set_reserve(LIMIT / 2);
    assert!(!shards.can_fit(LIMIT / 2) && shards.can_fit(LIMIT / 3));
}

#[test]
fn a_large_span_is_charged_for_its_copies_in_advance() {
    let shards = shards(small(2, 1 << 10, 16).with_large_span_copies(2), LIMIT);
    let _ = push(&shards, 1, 100_000).unwrap();
    assert!((300_000..310_000).contains(&shards.budget().charged()));
    assert!(!shards.can_fit(400_000) && shards.can_fit(300_000));
    for len in [400_000, 300_000] {
        assert_eq!(push(&shards, 2, len), Err(PushError::Budget));
    }
}
