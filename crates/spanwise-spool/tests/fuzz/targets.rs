//! The readers of files that may be damaged, each with the checks that hold for every input.

use std::collections::BTreeSet;
use std::time::Duration;

use spanwise_spool::boot_ledger::{
    BootIdentity, BootLedger, FILE_NAME, Precision, PreviousRun, SpanCounts,
};
use spanwise_spool::format::{RECORD_HEADER_BYTES, SegmentHeader};
use spanwise_spool::index::{SegmentIdentity, SegmentIndex};
use spanwise_spool::storage::model::ModelStorage;
use spanwise_spool::{RecordQuery, Spool, SpoolBuilder};
use spanwise_wire::TraceId;

use crate::requests::{number_of, request_of, start, trace_id};

pub const SEGMENT: &str = "0000000000000000.segment";
pub const INDEX: &str = "0000000000000000.index";
pub const CHECKPOINT: &str = "checkpoint-0";
/// The requests in the segments of the corpus, of three spans each.
pub const REQUESTS: u64 = 4;

pub fn builder() -> SpoolBuilder {
    Spool::builder().with_max_bytes(1 << 20).with_segment_bytes(64 << 10)
}

/// The files of a spool with one complete segment, two of whose records are acknowledged.
pub fn files() -> ModelStorage {
    let storage = ModelStorage::new(0);
    let (mut spool, _) = builder().open_in(storage.clone(), start()).unwrap();
    for number in 0..REQUESTS {
        spool.append(start(), &request_of(number, 3, 100).bytes, 3).unwrap();
    }
    spool.sync(start()).unwrap();
    for _ in 0..2 {
        let stored = spool.read_next(start()).unwrap().unwrap();
        spool.acknowledge(stored.id);
    }
    spool.checkpoint();
    drop(spool);
    // The next start completes the segment, and a search builds its index.
    let (mut spool, _) = builder().open_in(storage.clone(), start()).unwrap();
    let _found = spool.find(TraceId::from_bytes(trace_id(1, 1)));
    drop(spool);
    storage
}

/// Starts a spool on the files, reads all of it twice, and returns the numbers of the delivered requests.
fn serve(storage: &ModelStorage, most_records: u64) -> BTreeSet<u64> {
    let mut first: Option<Vec<Vec<u8>>> = None;
    for _ in 0..2 {
        let (mut spool, recovery) = builder().open_in(storage.clone(), start()).unwrap();
        let (mut requests, mut spans, mut read) = (Vec::new(), 0u64, 0);
        while let Some(stored) = spool.read_next(start()).unwrap() {
            spans = spans.saturating_add(stored.spans);
            read += 1;
            // A segment is removed once none of its spans is left.
            if stored.spans > 0 {
                requests.push(stored.request);
            }
            assert!(read <= most_records, "the reader does not end");
        }
        let losses = spool.take_losses();
        assert_eq!(recovery.spans, spans.saturating_add(losses.total()), "{recovery:?} {losses:?}");
        let again = spool.take_losses();
        assert_eq!(again.total(), 0, "each loss is reported once");
        for number in 0..REQUESTS {
            let _found = spool.find(TraceId::from_bytes(trace_id(number, 1)));
        }
        let _found = spool.find_records(&RecordQuery::default().with_service("checkout"));
        match &first {
            Some(first) => assert_eq!(&requests, first, "the second start delivers the same"),
            None => first = Some(requests),
        }
    }
    first.unwrap_or_default().iter().filter_map(|request| number_of(request)).collect()
}

/// A spool with these bytes as its only segment.
pub fn segment(bytes: &Vec<u8>) -> bool {
    let storage = ModelStorage::new(0);
    storage.put(SEGMENT, bytes);
    !serve(&storage, bytes.len() as u64 / 160 + 1).is_empty()
}

/// The index of the segment of the corpus, read by itself and by a spool.
pub fn index(bytes: &Vec<u8>) -> bool {
    let storage = files();
    let content = storage.content(SEGMENT).unwrap();
    let header = SegmentHeader::decode(&content).unwrap();
    let identity = SegmentIdentity {
        id: header.segment,
        created_unix_nanos: header.created_unix_nanos,
        // Without the end record.
        len: content.len() as u64 - 2 * RECORD_HEADER_BYTES as u64,
    };
    let parsed = SegmentIndex::parse_file(bytes, identity);
    if let Ok(index) = &parsed {
        for number in 0..REQUESTS {
            let id = trace_id(number, 1);
            let mut records = Vec::new();
            for page in index.pages_of(id).take(100) {
                let range = index.page_bytes(page);
                if let Some(page_bytes) = bytes.get(range.start as usize..range.end as usize) {
                    let _result = index.find_in_page(page, page_bytes, id, &mut records);
                }
            }
            assert!(records.iter().all(|record| *record < index.head().records));
        }
        let query = RecordQuery::default().with_service("checkout").with_times(0..=u64::MAX);
        let found = index.find_records(&query).len();
        assert!(found <= bytes.len(), "{found} records in {} bytes", bytes.len());
        assert!(index.services().count() <= bytes.len());
    }
    storage.put(INDEX, bytes);
    let (mut spool, _) = builder().open_in(storage.clone(), start()).unwrap();
    for number in 0..REQUESTS {
        let found = spool.find(TraceId::from_bytes(trace_id(number, 1)));
        // A wrong index with right checksums can hide a trace, and invents none.
        assert!(found.spans <= 1, "{found:?}");
        assert!(parsed.is_ok() || found.spans == 1, "a refused index is built again: {found:?}");
    }
    // The records do not depend on the index.
    let mut delivered = 0;
    while let Some(_stored) = spool.read_next(start()).unwrap() {
        delivered += 1;
    }
    assert_eq!(delivered, REQUESTS - 2);
    parsed.is_ok()
}

/// A checkpoint beside the segment of the corpus.
pub fn checkpoint(bytes: &Vec<u8>) -> bool {
    let storage = files();
    storage.put(CHECKPOINT, bytes);
    let (mut spool, recovery) = builder().open_in(storage, start()).unwrap();
    let (mut numbers, mut spans) = (Vec::new(), 0);
    while let Some(stored) = spool.read_next(start()).unwrap() {
        numbers.push(number_of(&stored.request).unwrap());
        spans += stored.spans;
        assert!(numbers.len() as u64 <= REQUESTS);
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(spool.take_losses().total(), 0);
    assert!(spans <= 3 * REQUESTS && spans >= recovery.spans.min(spans), "{recovery:?}");
    recovery.has_checkpoint
}

/// A boot ledger, read by itself and by the next run.
pub fn boot_ledger(bytes: &Vec<u8>) -> bool {
    let previous = PreviousRun::from_bytes(bytes);
    for found in [0, 1, 1_000, u64::MAX] {
        let loss = previous.loss(found);
        assert!(loss.min <= loss.spans, "{loss:?}");
        assert!(loss.max.is_none_or(|max| max >= loss.spans), "{loss:?}");
    }
    let storage = ModelStorage::new(0);
    storage.put(FILE_NAME, bytes);
    let open = || {
        let precision = Precision::Interval(Duration::from_secs(1));
        BootLedger::open(&mut storage.clone(), BootIdentity::from_bytes([1; 16]), precision)
            .unwrap()
    };
    let (mut ledger, read) = open();
    assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&previous));
    // The next run reads the slots of this one, after any bytes.
    for created in 1..=3 {
        let counts = SpanCounts { created, ..SpanCounts::default() };
        ledger.write(start(), &counts).unwrap();
        let (_, PreviousRun::Crashed(crash)) = open() else { panic!("a crash is detected") };
        assert_eq!(crash.counts(), counts);
    }
    matches!(previous, PreviousRun::Crashed(_) | PreviousRun::Clean(_))
}
